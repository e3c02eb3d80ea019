"""bus deliver: a grant's events into the subscriber's database."""

import threading
from pathlib import Path
from typing import Any

import typer

from infra.bus.output import confirm, facts, note, table
from infra.bus.session import Session
from schemas.text import Text


def add(app: typer.Typer, session: Session) -> None:
    """The verb of this group."""
    say = session.say
    plan_option = typer.Option(
        None,
        "--plan",
        metavar="FILE",
        help=say(
            "Instead: many grants, shared with every other deliverer that is given the same file.",
            "改为按计划文件投递多项授权, 由使用同一文件的各投递进程分担。",
        ),
        show_default=False,
    )

    @app.command(
        rich_help_panel=say("Flow", "流转"),
        help=say(
            "Deliver a grant into a database, files, a workbook or to a webhook until it ends.",
            "将授权数据投递到数据库、文件、工作簿或 Webhook, 直至授权终止。",
        ),
    )
    def deliver(
        grant: str = typer.Option("", "--grant", help=say("The grant's id.", "授权编号。"), show_default=False),
        sink: str = typer.Option(
            "",
            "--sink",
            metavar="sqlite:PATH|postgresql://…|mysql://…|parquet:FOLDER|csv:FOLDER|jsonl:FOLDER|excel:PATH.xlsx|webhook:FILE.yaml",
            help=say("Where to.", "投递目标。"),
            show_default=False,
        ),
        plan: Path | None = plan_option,
        until: str = typer.Option(
            "ended", help=say("ended, or caught-up: stop at the topic's end.", "ended 或 caught-up: 读至末尾即停。")
        ),
        rebuild: bool = typer.Option(False, "--rebuild", help=say("Make the table anew.", "重建目标表。")),
        most: float | None = typer.Option(
            None,
            "--most-per-second",
            min=1,
            help=say("At most so many records a second.", "每秒至多投递的记录数。"),
            show_default=False,
        ),
        skip_unreadable: bool = typer.Option(
            False,
            "--skip-unreadable",
            help=say(
                "Dangerous: pass over single events that cannot be read. Their rows are deleted and pointers kept.",
                "危险操作: 跳过无法读取的单条事件, 删除其对应行并保留指针。",
            ),
        ),
        yes: bool = typer.Option(False, "--yes", "-y", help=say("Do not ask.", "不再询问。")),
        metrics_port: int = typer.Option(0, min=0, max=65535, help=say("0: a free one.", "0 表示自动选择。")),
    ) -> None:
        if plan is not None:
            other = bool(grant or sink or rebuild or skip_unreadable or until != "ended")
            _share(session, plan, other, most, metrics_port)
            return
        if skip_unreadable:
            _confirm_skipping(session, yes)
        _deliver(session, grant, sink, until, rebuild, most, metrics_port, skip_unreadable)


def _confirm_skipping(session: Session, yes: bool) -> None:
    confirm(
        session,
        Text(
            "Pass over events that cannot be read? What they say is lost to this sink until their keys change again.",
            "确定跳过无法读取的事件吗? 在其主键再次变化之前, 该目标将缺失这些内容。",
        ),
        yes=yes,
    )


def _deliver(
    session: Session,
    grant: str,
    sink: str,
    until: str,
    rebuild: bool,
    most: float | None,
    metrics_port: int,
    skip_unreadable: bool,
) -> None:
    from consumers.deliver import deliver
    from consumers.pace import Pace
    from infra.bus.process import began, stop_on_signals
    from schemas.errors import ConfigError

    if not (grant and sink):
        raise ConfigError(
            Text("give both --grant and --sink, or --plan.", "请同时指定 --grant 与 --sink, 或指定 --plan。"),
            where="--sink" if grant else "--grant",
        )
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
            pace=Pace(most),
            skip_unreadable=skip_unreadable,
        )
    if stop.is_set():
        note(session, Text("Stopped; the next run goes on from here.", "已停止; 下次将从此处继续。"))
    _show(session, report)


def _share(session: Session, path: Path, more: bool, most: float | None, metrics_port: int) -> None:
    from consumers.pace import Pace
    from consumers.plan import read_plan
    from consumers.shared import deliver_shared
    from infra.bus.process import began, stop_on_signals
    from schemas.errors import BusError, ConfigError

    if more:
        raise ConfigError(
            Text("--plan goes with no other option of a delivery.", "--plan 不能与其他投递选项同用。"), where="--plan"
        )
    plan, settings = read_plan(path), session.settings().located()
    began(session, settings, metrics_port)
    stop = threading.Event()
    with stop_on_signals(stop.set):
        outcomes = deliver_shared(settings, plan, stop, Pace(most))
    for outcome in outcomes.values():
        if not isinstance(outcome, BusError):
            _show(session, outcome)
    if stop.is_set():
        note(session, Text("Stopped; the next run goes on from here.", "已停止; 下次将从此处继续。"))
    for outcome in outcomes.values():
        if isinstance(outcome, BusError):
            raise outcome


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
    if report.unreadable:
        rows.append([say("unreadable, passed over", "无法读取, 已跳过"), report.unreadable])
    if report.cut_off:
        rows.append([say("released before the end, not delivered", "终止前已放行但未投递"), say("yes", "有")])
    if report.rebuilt:
        rows.append([say("made anew after too long an absence", "因离线过久重建"), report.rebuilt])
    if report.followed:
        passed = ", ".join(f"g{n}" for n in report.followed)
        rows.append([say("amended meanwhile, table made anew after", "期间授权变更, 目标表已重建; 已终止的代"), passed])
    table([say("what", "项目"), say("value", "值")], rows)
