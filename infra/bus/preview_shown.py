"""A preview as a person reads it: a table before and after for each event, why nothing is released, and a summary."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.bus.output import table, write
from infra.bus.preview_facts import NOT_GRANTED, SHORT, EventShown, RowShown, event_shown, reason_word
from infra.bus.session import Session
from schemas.characters import visible
from schemas.contract import Contract
from schemas.grant import Grant
from schemas.text import Text

_STYLES = {"same": "", "changed": "yellow", "not_granted": "dim", "nothing": ""}
_VALUES = frozenset({2, 4})
"""The columns that may be cut: a path or a mask's parameters may not, they are what is approved."""
_SIDES = {"before": Text("the row as it was", "变更前的行"), "after": Text("the row as it is", "变更后的行")}


class Remembered:
    """The lines that were read and not answered yet: the policy reads ahead."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = lines
        self._kept: deque[str] = deque()

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self._kept.append(line)
            yield line

    def next_answered(self) -> str:
        """The line of the next answer."""
        return self._kept.popleft()


@dataclass
class Summary:
    """How many events were previewed, of those that were withheld how many for which reason, and of those of which a delete
    is released how many are faults nevertheless."""

    events: int = 0
    withheld: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    def add(self, answer: Mapping[str, Any]) -> None:
        """Count one answer."""
        self.events += 1
        if answer["reason"] is not None:
            counted = self.faults if answer["emitted"] else self.withheld
            counted[reason_word(answer["reason"])] += 1

    def text(self) -> Text:
        """In one line."""
        held = self.withheld.total()
        released = self.events - held
        en = f"{'1 event' if self.events == 1 else f'{self.events} events'}: {released} released"
        zh = f"共 {self.events} 条事件: 放行 {released} 条"
        if held:
            why = _by_reason(self.withheld)
            en, zh = f"{en}, {held} withheld ({why.en})", f"{zh}, 未放行 {held} 条({why.zh})"
        if self.faults:
            why, some = _by_reason(self.faults), self.faults.total()
            en = f"{en}; of the released, {some} only as the delete of a faulty event ({why.en})"
            zh = f"{zh}; 其中 {some} 条因事件有误仅放行删除({why.zh})"
        return Text(f"{en}.", f"{zh}。")


def _by_reason(counts: Counter[str]) -> Text:
    named = [(SHORT[word], count) for word, count in counts.most_common()]
    return Text(
        ", ".join(f"{word.en} {count}" for word, count in named),
        ", ".join(f"{word.zh} {count}" for word, count in named),
    )


def show(
    session: Session, contract: Contract, grant: Grant, lines: Remembered, answers: Iterable[dict[str, Any]], limit: int
) -> None:
    """Print the first `limit` events and a summary of all."""
    summary = Summary()
    for answer in answers:
        line = lines.next_answered()
        if summary.events < limit:
            _event(session, event_shown(contract, grant, line, answer))
        summary.add(answer)
    if summary.events > limit:
        more = summary.events - limit
        write(session.say(f"not shown: {more} more (--limit).", f"另有 {more} 条事件未显示(--limit)。"))
    write(summary.text().to(session.language) if summary.events else session.say("no events.", "没有事件。"))


def _event(session: Session, event: EventShown) -> None:
    say, language = session.say, session.language
    went = " + ".join(f"{op} {say('key', '主键')} {key}" for op, key in event.went) or say("nothing", "不放行")
    _line(say(f"event {event.n}: ", f"事件 {event.n}: ") + f"{event.came or '?'} → {went}")
    if event.why is not None:
        label = say("no row because: ", "无行原因: ") if event.went else say("not released because: ", "未放行原因: ")
        _line(label + event.why.to(language))
    for row in event.rows:
        if len(event.rows) > 1:
            _line(_SIDES[row.side].to(language))
        _row(session, row)
    write("")


def _row(session: Session, row: RowShown) -> None:
    say = session.say
    headings = [
        say("field", "字段"),
        say("meaning", "含义"),
        say("value", "原值"),
        say("mask", "脱敏方式"),
        say("released", "放行值"),
    ]
    not_granted = NOT_GRANTED.to(session.language)
    cells = [[f.field, f.doc, f.raw, f.mask or not_granted, f.released] for f in row.fields]
    table(headings, cells, styles=[_STYLES[f.state] for f in row.fields], cut=_VALUES)


def _line(text: str) -> None:
    write(visible(text, one_line=True))
