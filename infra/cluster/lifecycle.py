"""Starting and stopping the cluster of one folder."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict, Unpack

from infra.cluster import broker, schema_registry
from infra.cluster.artefacts import Installation, default_cache, ensure
from infra.cluster.download import disk_error
from infra.cluster.exclusive import exclusive
from infra.cluster.guard import STOP_S, Launch
from infra.cluster.lock import read_lock
from infra.cluster.ports import Asked, Outside, Ports, choose, is_free, secured_ports
from infra.cluster.processes import ProcessId, stop
from infra.cluster.progress import Progress, Silent
from infra.cluster.readiness import wait_until_ready
from infra.cluster.secured import FOLDER, admit, remember, remembered
from infra.cluster.state import ClusterState, broker_name, read_state, registry_url, write_state
from infra.security.certificates import certificates, is_due, read_certificate, renew, valid_for
from schemas.errors import ConfigError, PermanentError
from schemas.text import Text

_READY_S = 90.0
_GUARD_S = 15.0
_LOOK_EVERY_S = 0.02
_WAITING = Text("Waiting: another 'bus up' works in this folder", "等待: 另一个 'bus up' 正在此目录中运行")
UNSECURED = Text(
    "This cluster is unsecured: no passwords, no TLS. It listens on this machine only.",
    "此集群未加安全防护: 无口令, 无 TLS, 仅监听本机。",
)


class UpOptions(TypedDict, total=False):
    """The keyword arguments of `up` that `running` passes on."""

    secure: bool
    brokers: int | None
    kafka_port: int | None
    registry_port: int | None
    inside: str | None
    outside: str | None
    repository: str | None
    cache: Path | None
    progress: Progress | None


def up(
    home: Path,
    *,
    tied: bool = False,
    secure: bool = False,
    brokers: int | None = None,
    kafka_port: int | None = None,
    registry_port: int | None = None,
    inside: str | None = None,
    outside: str | None = None,
    repository: str | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> ClusterState:
    """The cluster of `home`, running and ready; started if it does not run, recovered if part of it died.

    tied         the cluster ends with the calling process, however that ends; else it runs until `down`
    secure       TLS, a password for every user, nothing allowed but by ACL (`secured.py`); a folder that was secured stays so
    brokers      one, or three of which any one may be lost; a folder keeps the number it was made with (None: that)
    *_port       must be free (ConfigError names who holds it); without, the last ones while free, else free ones. A secured
                 cluster keeps its ports: ConfigError if one of them is taken
    inside       of a secured one: where the bus's own processes find it, if not on loopback (`Ports.inside`)
    outside      of a secured one: HOST:PORT where departments find it (`Ports.outside`)
    repository   Maven repository to download from; without, Maven's mirrors, else its default
    cache        where artefacts are kept; without, the user's cache folder

    Raises what downloading raises, and PermanentError if the broker or the registry does not start. Whatever it raises,
    Ctrl-C included, nothing it started goes on running.
    """
    home, progress = home.resolve(), progress or Silent()
    _make_folder(home)
    try:
        with exclusive(home / "up.lock", progress, _WAITING):
            before = read_state(home)
            secure = _secured(home, secure)
            number = broker_count(home, brokers, secure)
            asked = _asked(secure, Asked(kafka_port, registry_port, inside, Outside.read(outside) if outside else None))
            if before is not None and before.all_alive and before.bootstrap_servers is not None:
                _require_ports(before.ports, asked)
                return before if tied else _let_go(home, before)
            if before is not None and _mendable(before):
                _require_ports(before.ports, asked)
                mended = _mend(home, before, progress)
                return mended if tied else _let_go(home, mended)
            _stop_all(home, before)
            ports = _ports(home, secure, asked, before, number)
            installed = ensure(read_lock(), cache or default_cache(), repository, progress)
            progress.step(Text("Starting Kafka and the schema registry", "启动 Kafka 与模式注册中心"))
            return _start(home, installed, ports, tied)
    except OSError as error:
        raise disk_error(error, home) from error


def down(home: Path) -> bool:
    """Stop the cluster of `home`, in order within `STOP_S` seconds, by force after; whether anything ran. Idempotent."""
    home = home.resolve()
    state = read_state(home) if home.is_dir() else None
    if state is None or state.processes is None:
        return False
    ran = any(p.alive for p in state.processes.named.values())
    _stop_all(home, state)
    return ran


@contextmanager
def running(home: Path, **options: Unpack[UpOptions]) -> Iterator[ClusterState]:
    """`up` tied to this process, and `down` at the end. A cluster that ran before, or that `up` has let go since, stays."""
    state = up(home, tied=True, **options)
    try:
        yield state
    finally:
        with exclusive(home.resolve() / "up.lock", Silent(), _WAITING):
            now = read_state(home.resolve())
            owner = now.processes.owner if now and now.processes else None
            if owner is not None and owner.pid == os.getpid():
                down(home)


def _asked(secure: bool, asked: Asked) -> Asked:
    """ConfigError where an unsecured cluster is asked to leave loopback."""
    if not secure and (asked.inside or asked.outside):
        raise ConfigError(
            Text("only a secured cluster listens beyond loopback.", "仅安全集群可在本机回环之外监听。"),
            where="--inside" if asked.inside else "--outside",
            hint=Text("Start it with --secure, in a folder of its own.", "请在新目录中以 --secure 启动。"),
        )
    return asked


def broker_count(home: Path, asked: int | None, secure: bool) -> int:
    """How many brokers the folder's cluster has, or shall have. ConfigError where that cannot be."""
    held = broker.count(home)
    if asked is not None and asked not in (1, 3):
        raise ConfigError(
            Text("an embedded cluster has 1 broker or 3.", "内嵌集群为 1 个或 3 个 broker。"),
            where=f"--brokers {asked}",
            hint=Text(
                "Three are as many as it takes to lose one; more machines are the city's own cluster's matter.",
                "3 个即可承受任一损失; 更多节点请使用城市自有集群。",
            ),
        )
    if held and asked not in (None, held):
        raise ConfigError(
            Text(
                f"this folder holds the data of a cluster of {held} broker{'s' if held > 1 else ''}.",
                f"此目录保存的是 {held} 个 broker 的集群数据。",
            ),
            where=str(home),
            hint=Text(
                "Choose another folder (BUS_HOME), or delete it first: bus down --wipe.",
                "请更换目录(BUS_HOME), 或先删除: bus down --wipe。",
            ),
        )
    number = asked or held or 1
    if number > 1 and secure:
        raise ConfigError(
            Text(
                "an embedded cluster of three brokers cannot be secured yet.",
                "三个 broker 的内嵌集群暂不支持安全模式。",
            ),
            where="--brokers",
            hint=Text(
                "Secure one broker, or name the city's own secured cluster: BUS_BOOTSTRAP_SERVERS.",
                "请使用单个 broker 的安全集群, 或以 BUS_BOOTSTRAP_SERVERS 指定城市自有的安全集群。",
            ),
        )
    return number


def _ports(home: Path, secure: bool, asked: Asked, before: ClusterState | None, brokers: int) -> Ports:
    known = before.ports if before else None
    if not secure:
        return choose(asked.kafka, asked.registry, known, brokers=brokers)
    return secured_ports(asked, known if known and known.internal else remembered(home))


def _require_ports(ports: Ports, asked: Asked) -> None:
    if asked.on(ports) != ports:
        raise ConfigError(
            Text(
                f"the cluster runs already, with Kafka on port {ports.broker} and the registry on {ports.registry}"
                + (f", outside at {ports.outside}." if ports.outside else "."),
                f"集群已在运行, Kafka 端口 {ports.broker}, 注册中心端口 {ports.registry}"
                + (f", 对外地址 {ports.outside}。" if ports.outside else "。"),
            ),
            hint=Text("Run 'bus down' first to move it.", "如需更换端口, 请先运行 'bus down'。"),
        )


def _certify(home: Path, ports: Ports, now: dt.datetime) -> None:
    """Certificates for these addresses, renewed where they end soon. Where they cannot be renewed because the authority's key
    is kept elsewhere, `bus doctor` warns, and a start fails only when they have ended or lack a name."""
    found = certificates(home / FOLDER, ports.hosts, now=now)
    broker = read_certificate(found.broker)
    useless = broker.not_valid_after_utc < now or not valid_for(broker) >= set(ports.hosts)
    if is_due(found, ports.hosts, now) and (found.authority_key.exists() or useless):
        renew(found, ports.hosts, now)
    remember(home, ports)


def _let_go(home: Path, state: ClusterState) -> ClusterState:
    """Somebody wants to keep a cluster that another process holds: it no longer ends with that process."""
    if state.processes is None or state.processes.owner is None:
        return state
    free = state.ready(owner=None)
    write_state(home, free)
    return free


def _mendable(state: ClusterState) -> bool:
    """Whether what is dead can be started again while the rest goes on: brokers of several, on ports nobody has taken."""
    found, dead = state.processes, state.dead
    if found is None or not dead or not found.others or {"guard", "registry"} & set(dead):
        return False
    if state.bootstrap_servers is None:
        return False
    named = {broker_name(n): node for n, node in enumerate(state.ports.nodes, 1)}
    return all(is_free(port) for name in dead for port in (named[name].broker, named[name].controller))


def _mend(home: Path, before: ClusterState, progress: Progress) -> ClusterState:
    """The guard starts the dead brokers again; returns when they answer. PermanentError if one does not."""
    assert before.processes is not None
    names = ", ".join(before.dead)
    progress.step(Text(f"Starting again what had died: {names}", f"重新启动已退出的进程: {names}"))
    guard = before.processes.guard
    os.kill(guard.pid, signal.SIGUSR1)
    until = time.monotonic() + _GUARD_S
    while (state := read_state(home)) is None or state.processes == before.processes:
        if time.monotonic() > until or not guard.alive:
            raise _no_guard(home)
        time.sleep(_LOOK_EVERY_S)
    wait_until_ready(home, state, _READY_S)
    return state


def _secured(home: Path, asked: bool) -> bool:
    """Whether the folder's cluster is secured. Data stays what it was made as: ConfigError where that cannot be."""
    held, certified = broker.holds(home / "broker"), (home / FOLDER).exists()
    if held == "unsecured" and asked:
        raise ConfigError(
            Text("this folder holds the data of an unsecured cluster.", "此目录保存的是未加安全防护的集群数据。"),
            where=str(home),
            hint=Text(
                "Choose another folder (BUS_HOME), or delete it first: bus down --wipe.",
                "请更换目录(BUS_HOME), 或先删除: bus down --wipe。",
            ),
        )
    if held == "secured" and not certified:
        raise ConfigError(
            Text(
                "this folder holds the data of a secured cluster, whose certificates are gone.",
                "此目录保存的是安全集群的数据, 但其证书已丢失。",
            ),
            where=str(home / FOLDER),
            hint=Text(
                "Put the folder back from a copy, or delete everything: bus down --wipe.",
                "请从备份恢复该目录, 或删除全部数据: bus down --wipe。",
            ),
        )
    return held == "secured" or (held == "nothing" and (asked or certified))


def _start(home: Path, installed: Installation, ports: Ports, tied: bool) -> ClusterState:
    me = ProcessId.of(os.getpid())
    if ports.internal is not None:
        _certify(home, ports, dt.datetime.now(dt.UTC))
    launch = Launch(
        home=home,
        owner=me,
        ports=ports,
        brokers=[broker.prepare(installed, home, ports, node) for node in range(1, len(ports.nodes) + 1)],
        registry=schema_registry.prepare(installed, home / "registry", ports),
    )
    guard = _start_guard(home, launch)
    try:
        state = _started(home, guard)
        wait_until_ready(home, state, _READY_S)
        if ports.internal is not None:
            admit(home, ports, registry_url(ports), installed)
        ready = state.ready(owner=me if tied else None)
        write_state(home, ready)
    except BaseException:
        stop([guard], STOP_S + 5)
        raise
    return ready


def _start_guard(home: Path, launch: Launch) -> ProcessId:
    """In a session of its own, so that a terminal's Ctrl-C and hang-up reach only its owner."""
    command = [sys.executable, "-m", "infra.cluster.guard"]
    with (home / "guard.log").open("wb") as log:
        told = launch.model_dump_json().encode()
        done = subprocess.run(
            command, input=told, stdout=subprocess.PIPE, stderr=log, cwd=home, start_new_session=True, check=False
        )
    if done.returncode:
        raise _no_guard(home)
    return ProcessId.model_validate_json(done.stdout)


def _started(home: Path, guard: ProcessId) -> ClusterState:
    """The state the guard writes once it has started all."""
    until = time.monotonic() + _GUARD_S
    while time.monotonic() < until and guard.alive:
        state = read_state(home)
        if state is not None and state.processes is not None and state.processes.guard.pid == guard.pid:
            return state
        time.sleep(_LOOK_EVERY_S)
    raise _no_guard(home)


def _no_guard(home: Path) -> PermanentError:
    return PermanentError(
        Text("the guard process did not start the cluster.", "守护进程未能启动集群。"), where=str(home / "guard.log")
    )


def _stop_all(home: Path, state: ClusterState | None) -> None:
    """Through the guard, which knows the order; then whatever is left without one."""
    if state is None or state.processes is None:
        return
    found = state.processes
    stop([found.guard], STOP_S + 5)
    stop([*found.brokers, found.registry], STOP_S)
    write_state(home, state.stopped())


def _make_folder(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        home.chmod(0o700)
    except OSError as error:
        raise disk_error(error, home) from error
