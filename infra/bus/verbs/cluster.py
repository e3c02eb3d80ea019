"""bus up, down, status, doctor: the embedded cluster, or the city's own if the settings name one."""

from __future__ import annotations

import datetime as dt
import shutil
from typing import TYPE_CHECKING, Any

import typer

from infra.bus.output import confirm, facts, note, table, warn, write
from infra.bus.session import Session
from schemas.errors import PermanentError
from schemas.text import Text

if TYPE_CHECKING:
    from infra.cluster import ClusterState, UpOptions


def add(app: typer.Typer, session: Session) -> None:
    """The verbs of this group."""
    say, panel = session.say, session.say("Cluster", "集群")

    @app.command(rich_help_panel=panel, help=say("Start Kafka and the schema registry.", "启动 Kafka 与模式注册中心。"))
    def up(
        kafka_port: int = typer.Option(0, min=0, max=65535, help=say("0: a free one.", "0 表示自动选择。")),
        registry_port: int = typer.Option(0, min=0, max=65535, help=say("0: a free one.", "0 表示自动选择。")),
        brokers: int = typer.Option(
            0,
            min=0,
            max=9,
            help=say(
                "1, or 3 of which any one may be lost. 0: as the folder's cluster was made, else 1.",
                "1 个, 或 3 个(可损失任一个)。0 表示沿用原有数量, 新建时为 1。",
            ),
        ),
        secure: bool = typer.Option(
            False,
            "--secure",
            help=say("TLS, passwords, and nothing allowed but by ACL.", "启用 TLS 与口令, 未经 ACL 授权一律拒绝。"),
        ),
        inside: str = typer.Option(
            "",
            metavar="HOST",
            help=say(
                "With --secure: where the bus's own processes in other containers find it, instead of on loopback.",
                "与 --secure 同用: 其他容器中的总线进程访问的地址, 默认仅本机回环。",
            ),
            show_default=False,
        ),
        outside: str = typer.Option(
            "",
            metavar="HOST:PORT",
            help=say(
                "With --secure: where departments on other machines find Kafka; it listens on every interface there.",
                "与 --secure 同用: 其他主机上的部门访问 Kafka 的地址, 在所有网卡上监听。",
            ),
            show_default=False,
        ),
        foreground: bool = typer.Option(
            False, "--foreground", help=say("Stay, and stop it at the end.", "在前台运行, 退出时停止集群。")
        ),
    ) -> None:
        options: UpOptions = {
            "secure": secure,
            "brokers": brokers or None,
            "kafka_port": kafka_port or None,
            "registry_port": registry_port or None,
            "inside": inside or None,
            "outside": outside or None,
        }
        _up(session, options, foreground)

    @app.command(rich_help_panel=panel, help=say("Stop the embedded cluster.", "停止内嵌集群。"))
    def down(
        wipe: bool = typer.Option(False, "--wipe", help=say("Also delete all its data.", "同时删除全部数据。")),
        yes: bool = typer.Option(False, "--yes", "-y", help=say("Do not ask.", "不再询问。")),
    ) -> None:
        _down(session, wipe, yes)

    @app.command(rich_help_panel=panel, help=say("What runs, and where.", "运行状况与地址。"))
    def status() -> None:
        _status(session)

    @app.command(
        rich_help_panel=panel,
        help=say("Check machine, cluster, key and control log.", "检查本机、集群、密钥与控制日志。"),
    )
    def doctor() -> None:
        _doctor(session)


def _up(session: Session, options: UpOptions, foreground: bool) -> None:
    settings = session.settings()
    if settings.bootstrap_servers:
        from infra.bus.reach import reach

        reach(settings.located())
        note(
            session,
            Text("The settings name a cluster and it answers; nothing to start.", "设置所指集群可用, 无需启动。"),
        )
        _addresses(session, settings.bootstrap_servers, settings.registry_url)
        return
    from infra.bus.progress import progress
    from infra.cluster import read_state, up

    before = read_state(settings.home) if settings.home.is_dir() else None
    with progress(session) as shown:
        options["progress"] = shown
        state = up(settings.home, tied=foreground, **options)
    _said(session, before, state)
    if foreground:
        from infra.bus.foreground import stay

        stay(settings.home)


def _said(session: Session, before: ClusterState | None, state: ClusterState) -> None:
    from infra.cluster import UNSECURED

    if not state.secured:
        warn(session, UNSECURED)
    if before is not None and before.processes is not None and state.processes is not None:
        then, now = before.processes.named, state.processes.named
        again = [name for name in now if name in then and now[name] != then[name]]
        if again and "guard" not in again:
            names = ", ".join(again)
            note(session, Text(f"Had died and was started again: {names}.", f"已退出并已重新启动: {names}。"))
    if state.secured and before is not None and before.secured and _handed(before) != _handed(state):
        warn(
            session,
            Text(
                f"Credentials handed out so far name {_handed(before)}; their systems must set "
                f"BUS_BOOTSTRAP_SERVERS={_handed(state)}, or get new ones.",
                f"此前发放的凭据所写地址为 {_handed(before)}; 相关系统须设置 "
                f"BUS_BOOTSTRAP_SERVERS={_handed(state)}, 或重新领取凭据。",
            ),
        )
    _addresses(session, state.bootstrap_servers, state.registry_url, state.ports.outside)


def _handed(state: ClusterState) -> str:
    """The address that credentials for departments name."""
    return str(state.ports.outside or f"{state.ports.inside}:{state.ports.broker}")


def _addresses(session: Session, kafka: str | None, registry: str | None, outside: object = None) -> None:
    if session.json:
        more = {"outside": str(outside)} if outside else {}
        facts(session, {"bootstrap_servers": kafka, "registry_url": registry} | more)
        return
    rows = [["Kafka", kafka], [session.say("schema registry", "模式注册中心"), registry]]
    if outside:
        rows.append([session.say("Kafka, for departments", "Kafka(部门)"), str(outside)])
    table([session.say("service", "服务"), session.say("address", "地址")], rows)


def _down(session: Session, wipe: bool, yes: bool) -> None:
    from infra.cluster import down as stop
    from infra.cluster import read_state

    home = session.settings().home
    known = read_state(home) is not None
    if wipe:
        question = Text(f"Delete everything the cluster in {home} holds?", f"确定删除 {home} 中集群的全部数据吗?")
        confirm(session, question, yes=yes)
    ran = stop(home)
    if wipe and known:
        for part in (*home.glob("broker*"), home / "registry", home / "security"):
            shutil.rmtree(part, ignore_errors=False) if part.exists() else None
        (home / "cluster.json").unlink(missing_ok=True)
    if session.json:
        facts(session, {"stopped": ran, "wiped": wipe and known})
    else:
        write(session.say("stopped." if ran else "nothing was running.", "已停止。" if ran else "没有运行中的集群。"))


def _status(session: Session) -> None:
    settings = session.settings()
    if settings.bootstrap_servers:
        from infra.bus.reach import reach

        found = reach(settings.located())
        if session.json:
            facts(session, found)
        else:
            table([session.say("what", "项目"), session.say("value", "值")], list(found.items()))
        return
    from infra.cluster import status as look

    found_here = look(settings.home)
    if session.json:
        facts(session, found_here)
    else:
        table([session.say("what", "项目"), session.say("value", "值")], _status_rows(session, found_here))
    _ending(session, found_here.certificates_end)
    if found_here.phase == "degraded":
        warn(
            session,
            Text(
                "A broker has died; the others go on. Run 'bus up' to start it again.",
                "一个 broker 已退出, 其余继续工作。请运行 'bus up' 重新启动。",
            ),
        )
    if found_here.phase == "dead":
        raise PermanentError(
            Text("a process of the cluster has died; no data is lost.", "集群进程已退出; 数据未丢失。"),
            where=str(found_here.home),
            hint=Text("Run 'bus up'.", "请运行 'bus up'。"),
        )


def _ending(session: Session, ends: dt.datetime | None) -> None:
    """A word about certificates that end soon."""
    from infra.security.certificates import RENEW

    now = dt.datetime.now(dt.UTC)
    if ends is None or ends - now > RENEW:
        return
    days = (ends - now).days
    warn(
        session,
        Text(
            f"Certificates end in {days} days: bus certificates renew",
            f"证书将在 {days} 天后到期: bus certificates renew",
        )
        if ends > now
        else Text("Certificates have ended: 'bus down', then 'bus up'.", "证书已过期: 先 'bus down' 再 'bus up'。"),
    )


def _status_rows(session: Session, s: Any) -> list[list[Any]]:
    say = session.say
    phases = {
        "absent": "未启动过",
        "stopped": "已停止",
        "starting": "启动中",
        "running": "运行中",
        "degraded": "降级运行",
        "dead": "异常退出",
    }
    rows = [
        [say("state", "状态"), say(s.phase, phases[s.phase])],
        [say("folder", "目录"), s.home],
        ["Kafka", f"{s.kafka_version} {s.bootstrap_servers or ''}".strip()],
        [say("schema registry", "模式注册中心"), f"{s.registry_version} {s.registry_url or ''}".strip()],
        [say("on disk", "占用磁盘"), f"{s.disk_bytes / 1e6:.0f} MB"],
    ]
    if s.certificates_end is not None:
        rows.append([say("certificates until", "证书有效期至"), f"{s.certificates_end:%Y-%m-%d}"])
    if s.uptime_s is not None:
        rows.append([say("up for", "已运行"), f"{s.uptime_s:.0f} s"])
    for p in s.processes:
        state = f"{(p.rss_bytes or 0) / 1e6:.0f} MB" if p.alive else say("dead", "已退出")
        rows.append([p.name, f"pid {p.pid}, {state}"])
    return rows


def _doctor(session: Session) -> None:
    from infra.bus.checks import all_checks

    found = all_checks(session.settings())
    failed = [c for c in found if c.level == "fail"]
    if session.json:
        facts(session, {"ok": not failed, "checks": found})
    else:
        say = session.say
        words = {"ok": say("ok", "正常"), "warn": say("note", "提示"), "fail": say("FAIL", "异常")}
        rows = [
            [words[c.level], c.name, c.message.to(session.language), c.hint.to(session.language) if c.hint else ""]
            for c in found
        ]
        table(
            [say("result", "结果"), say("check", "检查项"), say("found", "情况"), say("what to do", "处理办法")], rows
        )
    if failed:
        raise typer.Exit(1)
