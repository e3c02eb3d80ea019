"""bus deliver: a grant's events into the subscriber's database."""

import threading
from typing import Any

import typer

from infra.bus.output import facts, note, table
from infra.bus.session import Session
from schemas.text import Text


def add(app: typer.Typer, session: Session) -> None:
    """The verb of this group."""
    say = session.say

    @app.command(
        rich_help_panel=say("Flow", "流转"),
        help=say("Deliver a grant into a database until it ends.", "将授权数据投递到数据库, 直至授权终止。"),
    )
    def deliver(
        grant: str = typer.Option(..., "--grant", help=say("The grant's id.", "授权编号。")),
        sink: str = typer.Option(
            ...,
            "--sink",
            metavar="sqlite:PATH|postgresql://…|mysql://…",
            help=say("Where to.", "投递目标。"),
            show_default=False,
        ),
        until: str = typer.Option(
            "ended", help=say("ended, or caught-up: stop at the topic's end.", "ended 或 caught-up: 读至末尾即停。")
        ),
        rebuild: bool = typer.Option(False, "--rebuild", help=say("Make the table anew.", "重建目标表。")),
        metrics_port: int = typer.Option(0, min=0, max=65535, help=say("0: a free one.", "0 表示自动选择。")),
    ) -> None:
        _deliver(session, grant, sink, until, rebuild, metrics_port)


def _deliver(session: Session, grant: str, sink: str, until: str, rebuild: bool, metrics_port: int) -> None:
    from consumers.deliver import deliver
    from infra.bus.process import began, stop_on_signals
    from schemas.errors import ConfigError

    if until not in ("ended", "caught-up"):
        raise ConfigError(Text("it is ended or caught-up.", "取值为 ended 或 caught-up。"), where="--until")
    settings = session.settings().located()
    began(session, settings, metrics_port)
    stop = threading.Event()
    with stop_on_signals(stop.set):
        report = deliver(
            settings,
            grant,
            sink,
            until="caught_up" if until == "caught-up" else "ended",
            stop=stop,
            rebuild=rebuild,
        )
    if stop.is_set():
        note(session, Text("Stopped; the next run goes on from here.", "已停止; 下次将从此处继续。"))
    _show(session, report)


def _show(session: Session, report: Any) -> None:
    if session.json:
        facts(session, report)
        return
    say = session.say
    rows = [
        [say("grant", "授权"), f"{report.grant} g{report.generation}"],
        [say("sink", "目标"), report.sink],
        [say("events", "事件"), report.events],
        [say("rows written", "写入行"), report.upserted],
        [say("rows deleted", "删除行"), report.deleted],
        [say("duplicates refused", "拒绝重复"), report.duplicates],
        [say("retries", "重试"), report.retries],
        [say("ended", "终止"), report.ended],
    ]
    if report.cut_off:
        rows.append([say("released before the end, not delivered", "终止前已放行但未投递"), say("yes", "有")])
    if report.followed:
        passed = ", ".join(f"g{n}" for n in report.followed)
        rows.append([say("amended meanwhile, table made anew after", "期间授权变更, 目标表已重建; 已终止的代"), passed])
    table([say("what", "项目"), say("value", "值")], rows)
