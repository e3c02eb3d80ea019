"""bus up, down, status, doctor: the embedded cluster, or the city's own if the settings name one."""

import shutil
from typing import Any

import typer

from infra.bus.output import confirm, facts, note, table, warn, write
from infra.bus.session import Session
from schemas.errors import PermanentError
from schemas.text import Text


def add(app: typer.Typer, session: Session) -> None:
    """The verbs of this group."""
    say, panel = session.say, session.say("Cluster", "集群")

    @app.command(rich_help_panel=panel, help=say("Start Kafka and the schema registry.", "启动 Kafka 与模式注册中心。"))
    def up(
        kafka_port: int = typer.Option(0, min=0, max=65535, help=say("0: a free one.", "0 表示自动选择。")),
        registry_port: int = typer.Option(0, min=0, max=65535, help=say("0: a free one.", "0 表示自动选择。")),
        secure: bool = typer.Option(
            False,
            "--secure",
            help=say("TLS, passwords, and nothing allowed but by ACL.", "启用 TLS 与口令, 未经 ACL 授权一律拒绝。"),
        ),
    ) -> None:
        _up(session, kafka_port or None, registry_port or None, secure)

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


def _up(session: Session, kafka_port: int | None, registry_port: int | None, secure: bool) -> None:
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
    from infra.cluster import UNSECURED
    from infra.cluster import up as start

    with progress(session) as shown:
        state = start(settings.home, secure=secure, kafka_port=kafka_port, registry_port=registry_port, progress=shown)
    if not state.secured:
        warn(session, UNSECURED)
    _addresses(session, state.bootstrap_servers, state.registry_url)


def _addresses(session: Session, kafka: str | None, registry: str | None) -> None:
    if session.json:
        facts(session, {"bootstrap_servers": kafka, "registry_url": registry})
        return
    table(
        [session.say("service", "服务"), session.say("address", "地址")],
        [["Kafka", kafka], [session.say("schema registry", "模式注册中心"), registry]],
    )


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
        for part in ("broker", "registry", "security"):
            shutil.rmtree(home / part, ignore_errors=False) if (home / part).exists() else None
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
    if found_here.phase == "dead":
        raise PermanentError(
            Text("a process of the cluster has died; no data is lost.", "集群进程已退出; 数据未丢失。"),
            where=str(found_here.home),
            hint=Text("Run 'bus up'.", "请运行 'bus up'。"),
        )


def _status_rows(session: Session, s: Any) -> list[list[Any]]:
    say = session.say
    phases = {"absent": "未启动过", "stopped": "已停止", "starting": "启动中", "running": "运行中", "dead": "异常退出"}
    rows = [
        [say("state", "状态"), say(s.phase, phases[s.phase])],
        [say("folder", "目录"), s.home],
        ["Kafka", f"{s.kafka_version} {s.bootstrap_servers or ''}".strip()],
        [say("schema registry", "模式注册中心"), f"{s.registry_version} {s.registry_url or ''}".strip()],
        [say("on disk", "占用磁盘"), f"{s.disk_bytes / 1e6:.0f} MB"],
    ]
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
