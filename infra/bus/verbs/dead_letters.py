"""bus dead-letters list, explain, retry: what could not be processed, why, whose matter it is, and once more."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from infra.bus.letters_shown import show_explained, show_letters, shown_moment
from infra.bus.output import confirm, facts, note, table, write
from infra.bus.session import Session
from schemas.text import Text

if TYPE_CHECKING:
    from consumers.rejections import Rejection
    from infra.control.letters.ordering import RetryGiven
    from infra.control.letters.reading import Chosen
    from infra.runtime.settings import Settings

_LOOK_S = 0.3


def add(app: typer.Typer, session: Session) -> None:
    """The verbs of this group."""
    say = session.say
    group = typer.Typer(
        name="dead-letters",
        no_args_is_help=True,
        help=say("Records that could not be processed: pointers and reasons.", "未能处理的记录: 指针与原因。"),
    )
    app.add_typer(group, rich_help_panel=say("Flow", "流转"))
    of_resource = typer.Option(None, "--resource", help=say("Only of this resource.", "仅此资源。"))
    of_grant = typer.Option(None, "--grant", "-g", help=say("Only what concerns this grant.", "仅涉及此授权。"))
    of_reason = typer.Option(None, "--reason", help=say("Only with this reason.", "仅此原因。"))
    of_time = typer.Option(
        None, "--since", metavar="TIME", help=say("Only since then (ISO 8601).", "仅此时间之后(ISO 8601)。")
    )

    at_places = typer.Option(
        "--at", metavar="PARTITION:OFFSET", help=say("Only this record; may be repeated.", "仅此记录; 可重复。")
    )

    @group.command(
        "list",
        help=say(
            "List them: counts by resource, reason and grant, then single ones; or what a sink rejected.",
            "列出异常数据: 先按资源、原因、授权计数, 再逐条列出; 或列出目标拒收的数据。",
        ),
    )
    def list_(
        resource: str | None = of_resource,
        grant: str | None = of_grant,
        reason: str | None = of_reason,
        since: str | None = of_time,
        sink: str | None = typer.Option(
            None, "--sink", help=say("Instead: what this sink could not hold.", "改为列出该目标无法保存的数据。")
        ),
        limit: int = typer.Option(50, min=0, help=say("Single ones shown.", "逐条显示的条数。")),
    ) -> None:
        if sink is not None:
            _rejections(session, sink, grant, limit)
        else:
            _list(session, _chosen(resource, grant, reason, since), limit)

    @group.command(
        help=say(
            "Say what one means, whose matter it is, what to mend, and whether a retry would succeed now.",
            "说明某条异常数据的含义、责任方、处理办法, 以及现在重试能否成功。",
        )
    )
    def explain(
        resource: str = typer.Argument(help=say("The resource's id.", "资源编号。")),
        partition: int = typer.Argument(min=0),
        offset: int = typer.Argument(min=0),
    ) -> None:
        _explain(session, resource, partition, offset)

    @group.command(
        help=say(
            "Have them judged once more after the cause is mended; what a later record of its key follows is skipped.",
            "原因排除后重新处理; 该主键已有更新记录的将跳过。",
        )
    )
    def retry(
        resource: str | None = of_resource,
        grant: str | None = of_grant,
        reason: str | None = of_reason,
        since: str | None = of_time,
        at: Annotated[list[str] | None, at_places] = None,
        dry_run: bool = typer.Option(False, "--dry-run", help=say("Only say which.", "仅列出。")),
        yes: bool = typer.Option(False, "--yes", "-y", help=say("Do not ask.", "不再询问。")),
        wait: float = typer.Option(
            30.0, min=0, help=say("Seconds to wait for the exchange to do it.", "等待交换程序执行的秒数。")
        ),
    ) -> None:
        _retry(session, _chosen(resource, grant, reason, since), at or [], dry_run, yes, wait)


def _chosen(resource: str | None, grant: str | None, reason: str | None, since: str | None) -> "Chosen":
    from infra.control.letters.reading import Chosen
    from schemas.clock import read_moment

    return Chosen(resource, grant, reason, None if since is None else read_moment(since, "--since"))


def _list(session: Session, chosen: "Chosen", limit: int) -> None:
    from infra.control.letters.reading import counts, letters

    found = letters(session.settings().located(), chosen)
    if session.json:
        facts(session, {"counts": counts(found), "letters": found})
        return
    say = session.say
    table(
        [
            say("resource", "资源"),
            say("reason", "原因"),
            say("grant", "授权"),
            say("letters", "条数"),
            say("waiting", "待处理"),
            say("newest", "最近"),
        ],
        [
            [c.resource, c.reason, c.grant or say("all", "全部"), c.letters, c.waiting, shown_moment(c.newest)]
            for c in counts(found)
        ],
    )
    newest = sorted(found, key=lambda one: -one.at)[:limit]
    if newest:
        write("")
        show_letters(session, newest)
    if len(found) > len(newest):
        more = len(found) - len(newest)
        note(session, Text(f"and {more:,} older ones (--limit).", f"另有较早的 {more:,} 条(--limit)。"))
    if not found:
        note(session, Text("There are none.", "没有异常数据。"))


def _rejections(session: Session, sink: str, grant: str | None, limit: int) -> None:
    from consumers.rejections import rejections

    found = [one for one in rejections(sink) if grant in (None, one.grant)]
    if session.json:
        facts(session, found)
        return
    say = session.say
    rows = [[one.grant, _places(one), one.reason, shown_moment(one.at)] for one in found[:limit]]
    table(
        [say("grant", "授权"), say("place in its topic", "授权主题位点"), say("reason", "原因"), say("since", "时间")],
        rows,
    )
    if len(found) > limit:
        note(session, Text(f"and {len(found) - limit:,} more (--limit).", f"另有 {len(found) - limit:,} 条(--limit)。"))
    if not found:
        note(session, Text("It rejected nothing.", "该目标没有拒收的数据。"))


def _places(one: "Rejection") -> str:
    """`partition:offset`, or `partition:first-last` of several events in a row."""
    last = one.next - 1
    return f"{one.partition}:{one.offset}" + (f"-{last}" if last > one.offset else "")


def _explain(session: Session, resource: str, partition: int, offset: int) -> None:
    from infra.control.letters.explain import explain_letter

    found = explain_letter(
        session.settings().located(),
        resource,
        partition,
        offset,
        now_ms=int(time.time() * 1000),
        told=lambda text: note(session, text),
    )
    if session.json:
        facts(session, found)
        return
    for one in found:
        show_explained(session, one)


def _retry(session: Session, chosen: "Chosen", at: Sequence[str], dry_run: bool, yes: bool, wait: float) -> None:
    from infra.control.letters.ordering import order_retry
    from infra.control.letters.reading import letters
    from schemas.errors import ConfigError

    if chosen.resource is None and chosen.grant is None:
        raise ConfigError(
            Text("say --resource or --grant.", "须给出 --resource 或 --grant。"), where="bus dead-letters retry"
        )
    settings = session.settings().located()
    places = {_place(text) for text in at}
    found = [
        one for one in letters(settings, chosen) if one.waits and (not places or (one.partition, one.offset) in places)
    ]
    if not found or dry_run:
        if session.json:
            facts(session, found)
        else:
            show_letters(session, found)
            note(session, Text(f"{len(found):,} would be retried.", f"将重试 {len(found):,} 条。"))
        return
    confirm(
        session,
        Text(
            f"Have {len(found):,} dead letters judged again? What succeeds is released under the grants in force.",
            f"确定重新处理 {len(found):,} 条异常数据吗? 成功者将按现行授权放行。",
        ),
        yes=yes,
    )
    given = order_retry(settings, found, by=session.person_unless_asked(settings))
    _outcome(session, settings, chosen, given, wait)


def _outcome(
    session: Session, settings: "Settings", chosen: "Chosen", given: "Sequence[RetryGiven]", wait: float
) -> None:
    """What became of the orders, once it is known or the time is over."""
    from infra.control.letters.reading import letters

    epochs, deadline = {one.epoch for one in given}, time.monotonic() + wait
    while True:
        mine = [one for one in letters(settings, chosen) if one.order in epochs]
        left = sum(one.state == "ordered" for one in mine)
        if not left or time.monotonic() >= deadline:
            break
        time.sleep(_LOOK_S)
    if session.json:
        facts(session, {"orders": given, "letters": mine})
        return
    show_letters(session, mine)
    if left:
        note(
            session,
            Text(
                f"{left:,} were not carried out yet: 'bus dead-letters list' shows when they are. Is the exchange running?",
                f"尚有 {left:,} 条未执行: 可用 'bus dead-letters list' 查看。交换程序是否在运行?",
            ),
        )


def _place(text: str) -> tuple[int, int]:
    from schemas.errors import ConfigError

    partition, _, offset = text.partition(":")
    if not (partition.isascii() and partition.isdigit() and offset.isascii() and offset.isdigit()):
        raise ConfigError(
            Text("a place is PARTITION:OFFSET, such as 0:1234.", "位置写作 分区:位点, 例如 0:1234。"), where="--at"
        )
    return int(partition), int(offset)
