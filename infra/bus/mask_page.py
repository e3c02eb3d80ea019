"""The reference page of the masks, in Markdown: the same facts as `bus masks` prints, in one language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra.bus.mask_facts import ExampleFacts, MaskFacts, Parameter, all_facts, default_words, key_words, value_text
from schemas.text import Language, Text

_ABOUT = Text(
    "What a grant may name for a field. `-` may stand for `_` in a mask's name. A null stays null unless the mask says "
    "otherwise. Values are examples, of nobody.",
    "授权可对字段指定的脱敏方式。名称中的 `_` 可写作 `-`。除另有说明外, 空值仍为空值。示例值均为虚构。",
)


def masks_page(language: Language, made: str) -> str:
    """The page. `made`: the line that says where it comes from."""
    masks = all_facts()
    lines = [Text("# Masks", "# 脱敏方式").to(language), "", made, _ABOUT.to(language), ""]
    heads = [
        Text("mask", "脱敏方式"),
        Text("what it does", "说明"),
        Text("of", "适用于"),
        Text("may make a key", "可作主键"),
    ]
    lines += _table(heads, [[f"[`{m.mask}`](#{m.mask})", m.title, m.of, key_words(m)] for m in masks], language)
    for mask in masks:
        lines += ["", f"## {mask.mask}", *_section(mask, language)]
    return "\n".join(lines) + "\n"


def _section(mask: MaskFacts, language: Language) -> Iterator[str]:
    said, of = mask.title.to(language), mask.of.to(language)
    yield Text(f"{said}. Of: {of}.", f"{said}。适用于: {of}。").to(language)
    if mask.short_for is not None:
        yield Text(f"Short for `{mask.short_for}`.", f"即 `{mask.short_for}` 的简写。").to(language)
    if mask.parameters:
        yield ""
        heads = [Text("parameter", "参数"), Text("meaning", "含义"), Text("may be", "取值"), Text("else", "缺省")]
        yield from _table(heads, [_parameter(p) for p in mask.parameters], language)
    if mask.examples:
        yield ""
        heads = [Text("as a grant writes it", "授权写法"), Text("value", "值"), Text("released", "放行")]
        yield from _table(heads, [_example(e) for e in mask.examples], language)


def _parameter(parameter: Parameter) -> list[str | Text]:
    return [f"`{parameter.name}`", parameter.meaning, parameter.may_be, default_words(parameter)]


def _example(example: ExampleFacts) -> list[str]:
    return [f"`{example.use}`", f"`{value_text(example.value)}`", f"`{value_text(example.gives)}`"]


def _table(heads: Sequence[Text], rows: Sequence[Sequence[str | Text]], language: Language) -> Iterator[str]:
    yield _row([h.to(language) for h in heads])
    yield _row(["---"] * len(heads))
    for row in rows:
        yield _row([cell.to(language) if isinstance(cell, Text) else cell for cell in row])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
