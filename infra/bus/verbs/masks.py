"""bus masks: which masks a grant may name, and everything about one."""

from typing import TYPE_CHECKING, Annotated

import typer

from infra.bus.output import facts, table, write
from infra.bus.session import Session

if TYPE_CHECKING:
    from infra.bus.mask_facts import MaskFacts


def add(app: typer.Typer, session: Session) -> None:
    """The verb of this group."""
    say = session.say

    @app.command(
        rich_help_panel=say("Sharing", "共享"),
        help=say("Which masks there are, or all about one.", "列出可用的脱敏方式, 或其中一种的详情。"),
    )
    def masks(
        name: Annotated[
            str | None, typer.Argument(metavar="MASK", help=say("Show this one in full.", "仅显示该脱敏方式的详情。"))
        ] = None,
    ) -> None:
        if name is None:
            _all(session)
        else:
            _one(session, name.replace("-", "_"))


def _all(session: Session) -> None:
    from infra.bus.mask_facts import all_facts, example_line, key_words, parameter_line

    masks, say, language = all_facts(), session.say, session.language
    if session.json:
        facts(session, masks)
        return
    headings = [
        say("mask", "脱敏方式"),
        say("what it does", "说明"),
        say("of", "适用于"),
        say("parameters", "参数"),
        say("may make a key", "可作主键"),
        say("example", "示例"),
    ]
    rows = [
        [
            m.mask,
            m.title.to(language),
            m.of.to(language),
            "; ".join(parameter_line(p, language) for p in m.parameters),
            key_words(m).to(language),
            example_line(m.examples[0]) if m.examples else "",
        ]
        for m in masks
    ]
    table(headings, rows)


def _one(session: Session, name: str) -> None:
    from infra.bus.mask_facts import default_words, facts_of, value_text
    from stream_apps.policy.mask_use import unknown_mask
    from stream_apps.policy.masks import MASKS

    if name not in MASKS:
        raise unknown_mask(name, "bus masks")
    mask, say, language = facts_of(name), session.say, session.language
    if session.json:
        facts(session, mask)
        return
    _headline(session, mask)
    if mask.parameters:
        write("")
        headings = [say("parameter", "参数"), say("meaning", "含义"), say("may be", "取值"), say("else", "缺省")]
        given = [(p.name, p.meaning, p.may_be, default_words(p)) for p in mask.parameters]
        table(headings, [[n, m.to(language), b.to(language), d.to(language)] for n, m, b, d in given])
    if mask.examples:
        write("")
        headings = [say("as a grant writes it", "授权写法"), say("value", "值"), say("released", "放行")]
        table(headings, [[e.use, value_text(e.value), value_text(e.gives)] for e in mask.examples])


def _headline(session: Session, mask: "MaskFacts") -> None:
    from infra.bus.mask_facts import key_words

    say, language = session.say, session.language
    write(f"{mask.mask}: {mask.title.to(language)}")
    write(say("of: ", "适用于: ") + mask.of.to(language))
    write(say("may make a key: ", "可作主键: ") + key_words(mask).to(language))
    if mask.short_for is not None:
        write(say("short for: ", "等同于: ") + mask.short_for)
