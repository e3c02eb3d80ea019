"""`pass`: the value as it is. Passing a field through is a decision, so it is a mask with a name."""

from __future__ import annotations

from typing import Any, ClassVar

from schemas.avro_types import AvroType, is_nullable
from schemas.text import Text
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.mask import About, Example, Mask

_STRUCTURE = ("type", "name", "namespace", "logicalType", "precision", "scale", "size")
_TAKEN = frozenset({"ViewEvent", "Operation", "Key", "Row"})
"""Type names of the view event's own schema."""


class Pass(Mask):
    """`row(v) == v`. An enumeration becomes a string, so that the view's schema does not list ungranted symbols."""

    name: ClassVar[str] = "pass"
    about: ClassVar[About] = About(
        does=Text("the value as it is; releasing unchanged is a decision too", "原样放行; 不变也须明确授权"),
        of=Text("every type (a union of several types only without an enumeration)", "所有类型(多类型联合不得含枚举)"),
        examples=(Example("pass", "贵阳市", "贵阳市"),),
    )
    keeps_keys_apart: ClassVar[bool] = True

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Every type but a union of several that holds an enumeration: as a string it could meet another string."""
        if isinstance(avro, list):
            several = len(avro) - is_nullable(avro) > 1
            kinds = [b.get("type") for b in avro if isinstance(b, dict)]
            return not (several and "enum" in kinds) and all(cls.suits(b) for b in avro)
        return all(cls.suits(t) for t in _inner(avro))

    def result(self, avro: AvroType) -> AvroType:
        """The field's own type, bare: no documentation, default, alias or attribute, at any depth."""
        return _bare(avro)

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """The value."""
        return value

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """The column."""
        return column


def _inner(avro: AvroType) -> list[AvroType]:
    """The types directly within a type."""
    if not isinstance(avro, dict):
        return []
    own = [avro[name] for name in ("items", "values") if name in avro]
    kind = avro["type"]
    return [*own, *(f["type"] for f in avro.get("fields", ())), *([] if isinstance(kind, str) else [kind])]


def type_name(avro: dict[str, Any]) -> dict[str, Any]:
    """Name and namespace of a named type as a view has them: never those of the view event's own types."""
    out: dict[str, Any] = {name: avro[name] for name in ("name", "namespace") if name in avro}
    if out.get("name") in _TAKEN and not out.get("namespace"):
        out["name"] += "_"
    return out


def _bare(avro: AvroType) -> AvroType:
    if isinstance(avro, list):
        return [_bare(b) for b in avro]
    if isinstance(avro, str):
        return avro
    if avro["type"] == "enum":
        return "string"
    out = {name: avro[name] for name in _STRUCTURE if name in avro}
    if not isinstance(avro["type"], str):
        out["type"] = _bare(avro["type"])
    out |= type_name(avro)
    out |= {name: _bare(avro[name]) for name in ("items", "values") if name in avro}
    if "fields" in avro:
        out["fields"] = [{"name": f["name"], "type": _bare(f["type"])} for f in avro["fields"]]
    return avro["type"] if set(out) == {"type"} and isinstance(out["type"], str) else out
