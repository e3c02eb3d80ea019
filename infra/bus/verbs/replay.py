"""bus replay: a grant's events once more, from a time or an offset on."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from infra.bus.output import confirm, facts, note, table, warn
from infra.bus.session import Session, a_person_watches
from schemas.text import Text

if TYPE_CHECKING:
    from consumers.deliver import Progress
    from consumers.replay import Plan, ReplayReport

_TELL_EVERY_S = 5.0


def add(app: typer.Typer, session: Session) -> None:
    """The verb of this group."""
    say = session.say

    @app.command(
        rich_help_panel=say("Flow", "流转"),
        help=say(
            "Deliver a grant again from a time or an offset on, into the same sink (which is set back) or another one.",
            "自某一时间或位点起重新投递授权数据: 写入原目标(位点回退)或另一目标。",
        ),
    )
    def replay(
        grant: str = typer.Option(..., "--grant", "-g", help=say("The grant's id.", "授权编号。")),
        begin: str = typer.Option(
            ...,
            "--from",
            metavar="TIME|OFFSET",
            help=say(
                "A time in ISO 8601 (Asia/Shanghai where no zone is named), or an offset in the grant's topic.",
                "ISO 8601 时间(未注明时区时按北京时间), 或授权主题中的位点。",
            ),
        ),
        sink: str = typer.Option(
            ..., "--sink", metavar="sqlite:PATH|postgresql://…", help=say("Where to.", "投递目标。"), show_default=False
        ),
        partition: int | None = typer.Option(None, min=0, help=say("Only this one.", "仅此分区。")),
        yes: bool = typer.Option(False, "--yes", "-y", help=say("Do not ask.", "不再询问。")),
        metrics_port: int = typer.Option(0, min=0, max=65535, help=say("0: a free one.", "0 表示自动选择。")),
    ) -> None:
        _replay(session, (grant, begin, sink), partition, yes, metrics_port)


def _replay(session: Session, what: tuple[str, str, str], partition: int | None, yes: bool, metrics_port: int) -> None:
    from consumers.control import GrantWatch
    from consumers.replay import plan, replay
    from consumers.starting import read_from
    from infra.bus.process import began, stop_on_signals

    grant, begin, sink = what
    start = read_from(begin)
    settings = session.settings().located()
    began(session, settings, metrics_port, level="warning")
    stop = threading.Event()
    with GrantWatch(settings) as watch:
        planned = plan(settings, grant, sink, start, partition=partition, watch=watch)
        _tell_plan(session, planned)
        _confirm(session, planned, yes)
        with stop_on_signals(stop.set), _told(session, planned.to_read) as progress:
            report = replay(settings, planned, sink, stop=stop, progress=progress, watch=watch)
    if stop.is_set():
        note(
            session,
            Text("Stopped; 'bus deliver' or the next replay goes on.", "已停止; 可由 'bus deliver' 或再次重放继续。"),
        )
    _show(session, report)


def _tell_plan(session: Session, planned: "Plan") -> None:
    for partition, first in planned.first.items():
        begin = planned.start[partition]
        en = "no record follows it" if first is None else f"the next record there is stands at {first}"
        zh = "其后已无记录" if first is None else f"其后现存的第一条记录在 {first}"
        note(
            session,
            Text(
                f"At {partition}:{begin} there is no record any more (compacted away, or a transaction marker): {en}.",
                f"{partition}:{begin} 处已无记录(已被压缩清除, 或为事务标记): {zh}。",
            ),
        )
    if planned.fresh and any(planned.start.values()):
        places = _places(planned.start)
        warn(
            session,
            Text(
                f"The sink holds nothing of generation {planned.generation}: it gets what follows {places}, and no row that "
                "has not changed since.",
                f"目标中没有第 {planned.generation} 代的数据: 仅写入 {places} 之后的内容, 此后未变化的行不会出现。",
            ),
        )


def _confirm(session: Session, planned: "Plan", yes: bool) -> None:
    if planned.fresh:
        return
    moves = ", ".join(f"{p}: {at} -> {planned.start[p]}" for p, at in planned.held.items() if planned.start[p] != at)
    confirm(
        session,
        Text(
            f"Set {planned.sink} back ({moves})? {planned.again:,} offsets come again. Until the end is reached its rows are "
            "those of an earlier time, and a deliverer that runs on it stops.",
            f"将 {planned.sink} 回退({moves})? 将有 {planned.again:,} 个位点重新投递。完成之前各行为较早时的内容, "
            "正在写入该目标的投递进程将停止。",
        ),
        yes=yes,
    )


@contextmanager
def _told(session: Session, total: int) -> "Iterator[Callable[[Progress], None]]":
    """A bar of offsets where a person watches; elsewhere a line every five seconds."""
    if not a_person_watches():
        yield _lines(session)
        return
    import sys

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Rich

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Rich(*columns, console=Console(file=sys.stderr)) as rich:
        task = rich.add_task(session.say("offsets delivered again", "已重新投递位点"), total=total)
        yield lambda now: rich.update(task, completed=max(0, total - now.lag))
        rich.update(task, completed=total)


def _lines(session: Session) -> "Callable[[Progress], None]":
    import time

    last = time.monotonic()

    def tell(now: "Progress") -> None:
        nonlocal last
        if time.monotonic() - last >= _TELL_EVERY_S:
            last = time.monotonic()
            note(
                session,
                Text(
                    f"{now.events:,} events delivered, {now.lag:,} offsets to go.",
                    f"已投递 {now.events:,} 条事件, 尚余 {now.lag:,} 个位点。",
                ),
            )

    return tell


def _show(session: Session, report: "ReplayReport") -> None:
    if session.json:
        facts(session, report)
        return
    say, planned, done = session.say, report.plan, report.delivery
    rows: list[list[object]] = [
        [say("grant", "授权"), f"{planned.grant} g{planned.generation}"],
        [say("sink", "目标"), planned.sink],
        [say("from (partition:offset)", "起点(分区:位点)"), _places(planned.start)],
        [say("to", "止点"), _places(done.positions)],
        [say("offsets that came again", "重新投递的位点"), planned.again],
        [say("events", "事件"), done.events],
        [say("rows written", "写入行"), done.upserted],
        [say("rows deleted", "删除行"), done.deleted],
        [say("rejected", "拒绝"), done.rejected],
        [say("retries", "重试"), done.retries],
        [say("ended", "终止"), done.ended],
    ]
    table([say("what", "项目"), say("value", "值")], rows)


def _places(offsets: Mapping[int, int]) -> str:
    return ", ".join(f"{p}:{at}" for p, at in sorted(offsets.items()))
