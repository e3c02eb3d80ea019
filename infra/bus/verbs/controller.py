"""bus controller: the process that does what time asks for."""

import threading
import time
from typing import Any

import typer

from infra.bus.output import facts, note, table
from infra.bus.session import Session
from schemas.text import Text


def add(app: typer.Typer, session: Session) -> None:
    """The verb of this group."""
    say = session.say

    @app.command(
        rich_help_panel=say("Sharing", "共享"),
        help=say(
            "End what has expired, complete what was interrupted, watch deadlines, until stopped.",
            "持续终止到期授权、补全中断操作、监看办理时限, 直至停止。",
        ),
    )
    def controller(
        once: bool = typer.Option(False, "--once", help=say("Do everything once.", "各项任务执行一次即结束。")),
        every: float | None = typer.Option(
            None,
            min=0.1,
            help=say("Seconds between two runs of each duty.", "各项任务的间隔秒数。"),
            show_default=False,
        ),
        metrics_port: int = typer.Option(0, min=0, max=65535, help=say("0: a free one.", "0 表示自动选择。")),
    ) -> None:
        failed = _control(session, once, every, metrics_port)
        if failed:
            raise typer.Exit(1)


def _control(session: Session, once: bool, every: float | None, metrics_port: int) -> bool:
    """Whether a duty failed, where each was done once."""
    from contextlib import ExitStack
    from dataclasses import replace

    from infra.bus.process import began, stop_on_signals
    from infra.control.controller import Controller
    from infra.control.deadlines.rules import read_rules
    from infra.control.duties import duties
    from infra.runtime import logs

    settings = session.settings().located()
    read_rules(settings.deadlines)  # a file that is wrong is said to whoever starts it
    with ExitStack() as resources:
        found = duties(resources)
        if every is not None:
            found = tuple(replace(duty, every_s=every) for duty in found)
        if once:
            logs.configure(json=session.json, level="critical")  # what failed is told below
        else:
            began(session, settings, metrics_port)
        doing = Controller(settings, found, now_ms=lambda: int(time.time() * 1000), monotonic=time.monotonic)
        if once:
            runs = doing.once()
            _show(session, runs)
            return any(r.outcome == "failed" for r in runs)
        stop = threading.Event()
        with stop_on_signals(stop.set):
            doing.run(stop)
    note(session, Text("The controller has stopped.", "控制器已停止。"))
    return False


def _show(session: Session, runs: Any) -> None:
    if session.json:
        facts(session, runs)
        return
    say = session.say
    outcomes = {"done": say("done", "完成"), "failed": say("failed", "失败"), "rested": say("rested", "暂缓")}
    rows = [
        [r.duty, outcomes[r.outcome], len(r.did), r.seconds, r.error.to(session.language) if r.error else ""]
        for r in runs
    ]
    headings = [say("duty", "任务"), say("outcome", "结果"), say("found", "处理数"), say("seconds", "秒")]
    table([*headings, say("error", "错误")], rows)
