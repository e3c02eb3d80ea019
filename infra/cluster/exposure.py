"""What of a cluster others could get at: its files, its listeners, and until when its certificates hold."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from infra.cluster.check import Check
from infra.cluster.ports import HOST, Ports
from infra.cluster.renewal import ends_at
from infra.cluster.secured import FOLDER
from infra.cluster.state import ClusterState
from infra.security.certificates import RENEW
from schemas.text import Text

_SHOWN = 3


def exposure(home: Path, state: ClusterState, now: dt.datetime) -> Iterator[Check]:
    """Every check. Never raises for what it finds."""
    yield _protection(state)
    yield _files(home)
    if state.secured:
        yield _certificates(home / FOLDER, now)
    if state.processes is not None:
        living = [p.pid for name, p in state.processes.named.items() if name != "guard" and p.alive]
        yield _listeners(living, state.ports)


def _protection(state: ClusterState) -> Check:
    if state.secured:
        return Check(
            "protection",
            "ok",
            Text("secured: TLS, passwords, nothing but by ACL.", "已启用安全防护: TLS、口令、按 ACL 授权。"),
        )
    return Check(
        "protection",
        "warn",
        Text(
            "unsecured: whoever can log in to this machine sees all data.", "未加安全防护: 本机用户均可访问全部数据。"
        ),
        Text(
            "For real data: 'bus up --secure' in a folder of its own.", "如有真实数据, 请在新目录中 'bus up --secure'。"
        ),
    )


def open_to_others(home: Path) -> list[Path]:
    """Of the files that hold secrets, and the folders that keep others out: those that others may do anything with."""
    folder = home / FOLDER
    private = [home, folder, *folder.rglob("*"), *home.glob("broker*/server.properties")]
    return [path for path in private if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077]


def _files(home: Path) -> Check:
    wrong = open_to_others(home)
    if not wrong:
        return Check("files", "ok", Text("secrets are readable by this user only.", "机密文件仅本用户可读。"))
    names = ", ".join(str(p) for p in wrong[:_SHOWN]) + (" …" if len(wrong) > _SHOWN else "")
    return Check(
        "files",
        "fail",
        Text(f"others may get at: {names}.", f"他人可访问: {names}。"),
        Text(
            f"Run: chmod -R go= {home}. Then change what was open.",
            f"请执行: chmod -R go= {home}, 并更换已暴露的凭据。",
        ),
    )


def _certificates(folder: Path, now: dt.datetime) -> Check:
    try:
        ends = ends_at(folder)
    except (OSError, ValueError) as error:
        return Check(
            "certificates",
            "fail",
            Text(
                f"cannot be read in {folder} ({type(error).__name__}).",
                f"无法读取 {folder} 中的证书({type(error).__name__})。",
            ),
            Text("Put the folder back from a copy.", "请从备份恢复该目录。"),
        )
    good = ends - now > RENEW
    return Check(
        "certificates",
        "ok" if good else "warn" if ends > now else "fail",
        Text(f"valid until {ends:%Y-%m-%d}.", f"有效期至 {ends:%Y-%m-%d}。"),
        None if good else Text("Run 'bus certificates renew'.", "请执行 'bus certificates renew'。"),
    )


def beyond_loopback(pids: Iterable[int]) -> list[str]:
    """Addresses these processes listen on that other machines can reach. psutil.Error if we may not know."""
    found = [c.laddr for pid in pids for c in psutil.Process(pid).net_connections() if c.status == psutil.CONN_LISTEN]
    return sorted({f"{address.ip}:{address.port}" for address in found if not is_loopback(address.ip)})


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("::ffff:")).is_loopback
    except ValueError:
        return False


def _told(ports: Ports) -> set[str]:
    """Addresses beyond loopback where a person has told it to listen. OSError for a name that is unknown by now."""
    found = {f"{ip}:{ports.outside.port}" for ip in ("0.0.0.0", "::") if ports.outside}
    inside = socket.gethostbyname(ports.inside)
    own = [ports.registry, *(node.broker for node in ports.nodes)]
    return found | {f"{prefix}{inside}:{port}" for port in own for prefix in ("", "::ffff:")}


def _listeners(pids: Iterable[int], ports: Ports) -> Check:
    try:
        told = _told(ports)
        wide = [address for address in beyond_loopback(pids) if address not in told]
    except (psutil.Error, OSError) as error:
        return Check(
            "listeners",
            "warn",
            Text(f"cannot be seen ({type(error).__name__}).", f"无法查看({type(error).__name__})。"),
            Text("Run it as the user the cluster runs as.", "请以运行集群的用户执行。"),
        )
    if not wide:
        where = [*([ports.inside] if ports.inside != HOST else []), *([str(ports.outside)] if ports.outside else [])]
        if not where:
            return Check("listeners", "ok", Text("all on loopback.", "均仅监听本机。"))
        names = ", ".join(where)
        return Check("listeners", "ok", Text(f"on loopback, and as told: {names}.", f"监听本机, 以及指定的 {names}。"))
    return Check(
        "listeners",
        "fail",
        Text(f"other machines can reach {', '.join(wide)}.", f"其他主机可访问 {', '.join(wide)}。"),
        Text("'bus down', then 'bus up' writes the configuration anew.", "先 'bus down' 再 'bus up', 将重写配置。"),
    )
