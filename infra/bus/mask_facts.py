"""What there is to say of every mask, as plain data: from its `About` and its parameters' own bounds. What `bus masks` prints
and the reference page holds is written from this and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.text import Language, Text
from stream_apps.policy.masks import MASKS, Example, Mask
from stream_apps.policy.masks.generalise import SHORT, Generalise
from stream_apps.policy.shown import shown

_KEYED_BY = frozenset({"pass", "pseudonym"})
"""Masks that, bound to their place, keep two values two: a released row may be keyed by them (DESIGN 3.2)."""
_NONE = Text("–", "–")
_JSON_SCHEMA = {"gt": "exclusiveMinimum", "ge": "minimum", "le": "maximum"}
"""What pydantic leaves in its own words where a bound stands around a union."""
_KINDS = {
    "integer": Text("a whole number", "整数"),
    "number": Text("a number", "数值"),
    "string": Text("text", "文本"),
    "boolean": Text("true or false", "true 或 false"),
    "date": Text("a day, YYYY-MM-DD", "日期 YYYY-MM-DD"),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """may_be: type and bounds in words; `bounds` are the same as JSON Schema has them, for machines."""

    name: str
    meaning: Text
    required: bool
    default: Any
    may_be: Text
    bounds: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ExampleFacts:
    """use: as a grant writes it; value, gives: as JSON has them (a date is text)."""

    use: str
    value: Any
    gives: Any


@dataclass(frozen=True, slots=True)
class MaskFacts:
    """short_for: the use this name is another way to write, if it is one."""

    mask: str
    title: Text
    of: Text
    parameters: tuple[Parameter, ...]
    may_make_a_key: bool
    short_for: str | None
    examples: tuple[ExampleFacts, ...]


def all_facts() -> list[MaskFacts]:
    """Of every mask there is, in the catalogue's order."""
    return [facts_of(name) for name in MASKS]


def facts_of(name: str) -> MaskFacts:
    """Of one mask of the catalogue."""
    mask = MASKS[name]
    return MaskFacts(
        mask=name,
        title=mask.about.does,
        of=mask.about.of,
        parameters=_parameters(mask),
        may_make_a_key=name in _KEYED_BY,
        short_for=f"{{mask: {Generalise.name}, to: {SHORT[name]}}}" if name in SHORT else None,
        examples=tuple(_example(e) for e in mask.about.examples),
    )


def parameter_line(parameter: Parameter, language: Language) -> str:
    """`keep_first: characters that stay at the beginning (a whole number, 0 to 64; default 0)`"""
    bounds = f"{parameter.may_be.to(language)}; {default_words(parameter).to(language)}"
    return f"{parameter.name}: {parameter.meaning.to(language)} ({bounds})"


def default_words(parameter: Parameter) -> Text:
    """What holds if a grant does not give it."""
    if parameter.required:
        return Text("required", "必填")
    if parameter.default is None:
        return Text("optional", "可省略")
    written = json.dumps(parameter.default, ensure_ascii=False)
    return Text(f"default {written}", f"默认 {written}")


def example_line(example: ExampleFacts) -> str:
    """`{mask: partial, keep_first: 1}: 欧阳修文 → 欧***`"""
    return f"{example.use}: {value_text(example.value)} → {value_text(example.gives)}"


def value_text(value: Any) -> str:
    """A value of an example; text stands without quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def key_words(facts: MaskFacts) -> Text:
    """Whether a row may be keyed by it."""
    return Text("yes", "可") if facts.may_make_a_key else Text("no", "不可")


def _example(example: Example) -> ExampleFacts:
    return ExampleFacts(example.use, shown(example.value, example.avro), shown(example.gives, "string"))


def _parameters(mask: type[Mask]) -> tuple[Parameter, ...]:
    schema, meanings = mask.model_json_schema(), dict(mask.about.parameters)
    given = schema.get("properties", {})
    in_order = [*(n for n in meanings if n in given), *(n for n in given if n not in meanings)]
    required = schema.get("required", ())
    return tuple(_parameter(name, given[name], meanings.get(name, _NONE), name in required) for name in in_order)


def _parameter(name: str, schema: Mapping[str, Any], meaning: Text, required: bool) -> Parameter:
    bounds = {k: v for k, v in _standard(schema).items() if k not in ("title", "default")}
    return Parameter(name, meaning, required, schema.get("default"), _may_be(bounds), bounds)


def _standard(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON Schema of pydantic's in JSON Schema's words alone, also within its choices."""
    return {
        _JSON_SCHEMA.get(k, k): [_standard(choice) for choice in v] if k == "anyOf" else v for k, v in schema.items()
    }


def _may_be(schema: Mapping[str, Any]) -> Text:
    """A parameter's schema in words."""
    choices = [c for c in schema.get("anyOf", ()) if c.get("type") != "null"]
    if choices:
        own = _bounds(schema, "minimum", "maximum", _NONE)
        return _and(_either([_may_be(c) for c in choices]), own)
    if "enum" in schema:
        names = [str(value) for value in schema["enum"]]
        return Text("one of " + ", ".join(names), "可为 " + "、".join(names))
    if schema["type"] == "array":
        item = _may_be(schema["items"])
        count = _bounds(schema, "minItems", "maxItems", Text("entries", "项"))
        return _and(Text(f"a list, each {item.en}", f"列表, 各项为{item.zh}"), count)
    if schema["type"] == "string":
        length = _bounds(schema, "minLength", "maxLength", Text("characters", "个字符"))
        return _and(_KINDS[schema.get("format", "string")], length)
    return _and(_KINDS[schema["type"]], _bounds(schema, "minimum", "maximum", _NONE))


def _either(kinds: list[Text]) -> Text:
    """Whole numbers are numbers: one word says both."""
    whole, number = _KINDS["integer"], _KINDS["number"]
    kinds = [k for k in kinds if not (k == whole and number in kinds)]
    return Text(" or ".join(k.en for k in kinds), "或".join(k.zh for k in kinds))


def _bounds(schema: Mapping[str, Any], low: str, high: str, unit: Text) -> Text | None:
    least, most, above = schema.get(low), schema.get(high), schema.get("exclusiveMinimum")
    en, zh = ("", "") if unit is _NONE else (f" {unit.en}", f" {unit.zh}")
    if least is not None and most is not None:
        return Text(f"{least} to {most}{en}", f"{least} 至 {most}{zh}")
    parts = []
    if above is not None:
        parts.append(Text(f"above {above}{en}", f"大于 {above}{zh}"))
    if least is not None:
        parts.append(Text(f"at least {least}{en}", f"至少 {least}{zh}"))
    if most is not None:
        parts.append(Text(f"at most {most}{en}", f"至多 {most}{zh}"))
    return Text(", ".join(p.en for p in parts), ", ".join(p.zh for p in parts)) if parts else None


def _and(kind: Text, bounds: Text | None) -> Text:
    return kind if bounds is None else Text(f"{kind.en}, {bounds.en}", f"{kind.zh}, {bounds.zh}")
