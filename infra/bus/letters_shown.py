"""Dead letters as people read them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from infra.bus.output import table, write
from infra.bus.session import Session
from schemas.clock import SHANGHAI
from schemas.text import Text

if TYPE_CHECKING:
    from infra.control.letters.explain import LetterExplained
    from infra.control.letters.reading import DeadLetter

STATES = {
    "open": Text("open", "待处理"),
    "ordered": Text("retry ordered, not carried out yet", "已下达重试, 尚未执行"),
    "retried": Text("retried: released to whom it belongs", "已重试: 已按授权放行"),
    "moved_on": Text("a later record of its key is the truth", "该主键已有更新记录"),
    "failed": Text("failed again", "重试再次失败"),
    "no_grant": Text("no grant in force receives it", "没有生效中的授权接收"),
    "not_judged": Text("not judged yet: it comes by itself", "尚未处理, 会自行到达"),
    "refused": Text("refused: whoever ordered it may not", "已拒绝: 下达者无权"),
}


def show_letters(session: Session, found: Sequence[DeadLetter]) -> None:
    """Single ones, with what became of them."""
    say, lang = session.say, session.language
    rows = [
        [
            f"{one.resource} {one.partition}:{one.offset}",
            one.reason,
            one.grant or say("all", "全部"),
            shown_moment(one.at),
            STATES[one.state].to(lang) if one.state in STATES else one.state,
        ]
        for one in found
    ]
    table(
        [
            say("record", "记录"),
            say("reason", "原因"),
            say("grant", "授权"),
            say("since", "时间"),
            say("state", "状态"),
        ],
        rows,
    )


def show_explained(session: Session, one: LetterExplained) -> None:
    """One in words."""
    say, lang, letter = session.say, session.language, one.letter
    write(f"{letter.resource} {letter.partition}:{letter.offset}  {letter.reason}: {one.meaning.to(lang)}")
    yes_no = {True: say("yes", "是"), False: say("no", "否"), None: "-"}
    rows = [
        [say("for", "涉及"), letter.grant or say("all grants", "全部授权")],
        [say("last time", "最近一次"), f"{shown_moment(letter.at)} ({letter.times}x)"],
        [say("state", "状态"), STATES[letter.state].to(lang) if letter.state in STATES else letter.state],
        [say("whose matter", "责任方"), one.whose.to(lang)],
        [say("to mend", "处理办法"), one.mend.to(lang)],
        [say("key has moved on", "主键已有更新"), yes_no[one.moved_on]],
        [say("a retry succeeds now", "现在重试可成功"), f"{yes_no[one.succeeds]}: {one.now.to(lang)}"],
    ]
    table([say("what", "项目"), say("value", "内容")], rows)


def shown_moment(at_ms: int) -> str:
    """A moment as people here read it."""
    return dt.datetime.fromtimestamp(at_ms / 1000, SHANGHAI).isoformat(timespec="seconds")
