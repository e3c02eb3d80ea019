"""The contract of a resource: its Avro schema, whose extra attributes are its data standard (DESIGN 7).

record attributes   resource: id, title, provider, key, sharing, open, basis, update, partitions, secrecy, subject, before
field attributes    format, filterable, level, personal, masks, rules, secrecy, concept

Fields of nested records may carry the field attributes too; what they leave out they inherit from what they lie in.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from schemas.avro_types import AVRO_NAME, MAX_FIELDS, check_avro, check_type, is_key_type, unwrapped, without_null
from schemas.errors import ConfigError
from schemas.ids import Id
from schemas.paths import ITEMS, KEYS, Path
from schemas.pydantic_words import first_wrong
from schemas.text import Text
from schemas.validation import Model, build, parse_json, read_text

_NOT_SECRET = frozenset({"none", "public", "internal", "非涉密", "公开", "内部"})
"""The only secrecy markings that may be published: a misspelt or unknown marking is taken for a secret."""

Sharing = Literal["unconditional", "conditional", "refused"]
Level = Literal["general", "important", "core"]
Personal = Literal["none", "personal", "sensitive"]
BeforeImage = Literal["required", "optional", "never"]

_TYPE_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
_NAMESPACE = r"^([A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*)?$"
_LEVELS: tuple[Level, ...] = get_args(Level)
_PERSONAL: tuple[Personal, ...] = get_args(Personal)


def _publishable(marking: str) -> str:
    if marking.lower() not in _NOT_SECRET:
        raise ValueError(
            f"marked '{marking}': state and work secrets cannot be published on the bus (政务数据共享条例 Art. 3); "
            f"what is no secret is marked one of {', '.join(sorted(_NOT_SECRET))} / 涉密数据不得上总线"
        )
    return marking


Secrecy = Annotated[str, AfterValidator(_publishable)]
"""A marking that says the data is no secret; any other is refused."""


class Title(Model):
    """A name for people in both languages."""

    zh: str
    en: str


class Bound(Model):
    """What a parameter of a permitted mask may be: at least, at most, or one of."""

    min: float | None = None
    max: float | None = None
    one_of: list[Any] | None = None


class PermittedMask(Model):
    """A mask a grant may use on a field, with bounds on its parameters (an unnamed parameter is free)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    mask: str
    bounds: dict[str, Bound] = Field(default_factory=dict)


class ContractField(Model):
    """One field: an Avro field with the attributes of the data standard."""

    name: str
    type: Any
    """Avro type as written."""
    doc: str = ""
    default: Any = None
    has_default: bool = False
    format: str | None = None
    filterable: bool = False
    level: Level = "general"
    personal: Personal = "none"
    masks: tuple[PermittedMask, ...] | None = None
    """None: any mask may be used."""
    rules: dict[str, Any] = Field(default_factory=dict)
    secrecy: Secrecy | None = None
    concept: str | None = None
    """What the field says of the resource's subject, across resources (`name`, `phone`); by default its own name."""

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not AVRO_NAME.match(value):
            raise ValueError(f"field name '{value}' is not an Avro name (letters, digits, _) / 字段名不合 Avro 规则")
        if value.startswith("_"):
            raise ValueError(
                f"field name '{value}' is reserved: names that start with _ belong to the bus / 以 _ 开头的字段名为系统保留"
            )
        return value

    @field_validator("masks", mode="before")
    @classmethod
    def _masks(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        out: list[dict[str, Any]] = []
        for entry in value:
            if isinstance(entry, str):
                out.append({"mask": entry})
            elif isinstance(entry, dict) and "mask" in entry:
                out.append({"mask": entry["mask"], "bounds": {k: v for k, v in entry.items() if k != "mask"}})
            else:
                raise ValueError(
                    "a permitted mask is a name, or {mask: name, parameter: bounds} / 许可脱敏方式写法有误"
                )
        return out


class ResourceAttributes(Model):
    """The catalogue's view of the resource."""

    id: Id
    title: Title
    provider: Id
    key: tuple[str, ...] = Field(min_length=1)
    sharing: Sharing
    open: bool = False
    basis: str = ""
    update: str = "realtime"
    partitions: int = Field(default=1, ge=1, le=1000)
    """Fixed for life: a change is a new topic and a snapshot (DESIGN 3.3)."""
    secrecy: Secrecy | None = None
    subject: Id | None = None
    """Whom or what a row is about (`person`, `enterprise`): rules on combinations of fields name it."""
    before: BeforeImage = "optional"
    """Whether updates carry the row as it was. `required`: one without it contradicts itself. `optional`: it is judged by
    what is known, and an exit that cannot be proven is a fault. `never`: the source has none, and every update out of a
    filter is a delete, known or not."""

    @model_validator(mode="after")
    def _rules(self) -> ResourceAttributes:
        if self.sharing == "refused" and not self.basis:
            raise ValueError(
                "a refused resource states the law it rests on in 'basis' (Art. 15) / 不予共享须注明法律依据"
            )
        return self


class Contract(Model):
    """A resource's contract. Build it with `parse_contract` or `load_contract`, which check what pydantic cannot."""

    name: str = Field(pattern=_TYPE_NAME)
    namespace: str = Field(default="", pattern=_NAMESPACE)
    doc: str = ""
    resource: ResourceAttributes
    fields: tuple[ContractField, ...] = Field(min_length=1)
    source: dict[str, Any] = Field(repr=False)
    """The Avro schema exactly as its provider wrote it: what the registry holds."""

    @cached_property
    def by_name(self) -> dict[str, ContractField]:
        """The fields by name."""
        return {f.name: f for f in self.fields}

    @cached_property
    def places(self) -> dict[Path, ContractField]:
        """Every value a grant may address, by its path, with the attributes that hold there."""
        return {path: place for f in self.fields for path, place in _places((f.name,), f)}

    @property
    def id(self) -> str:
        """The resource's id."""
        return self.resource.id

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the key fields, in key order."""
        return self.resource.key

    def row_type(self, name: str) -> dict[str, Any]:
        """The plain Avro record of a row (no attributes of ours), named `name`."""
        return {"type": "record", "name": name, "fields": [_plain(f) for f in self.fields]}


def _plain(field: ContractField) -> dict[str, Any]:
    out: dict[str, Any] = {"name": field.name, "type": field.type}
    if field.has_default:
        out["default"] = field.default
    return out


def _places(path: Path, field: ContractField) -> Iterator[tuple[Path, ContractField]]:
    """A field and everything within it. Raises what pydantic raises for a wrong attribute of a nested field."""
    yield path, field
    avro = without_null(field.type)
    if isinstance(avro, list):  # no grant can name a branch, but what is marked within it counts
        for n, branch in enumerate(avro):
            yield from _places((*path, f"<{n}>"), field.model_copy(update={"type": branch}))
    if not isinstance(avro, dict):
        return
    kind = avro["type"]
    if kind in ("array", "map"):
        inner = avro["items" if kind == "array" else "values"]
        yield from _places((*path, ITEMS), field.model_copy(update={"type": inner}))
    if kind == "map":
        yield (*path, KEYS), field.model_copy(update={"type": "string"})
    for member in avro["fields"] if kind == "record" else ():
        yield from _places((*path, member["name"]), _inherited(ContractField(**_attributes(member)), field))


def _attributes(member: dict[str, Any]) -> dict[str, Any]:
    own = {name: value for name, value in member.items() if name not in ("aliases", "order")}  # Avro's own
    return {**own, "has_default": "default" in member, "type": unwrapped(member["type"])}


def _inherited(member: ContractField, outer: ContractField) -> ContractField:
    """What a nested field leaves out it takes from what it lies in, and it is never classified lower."""
    return member.model_copy(
        update={
            "masks": outer.masks if member.masks is None else member.masks,
            "filterable": member.filterable or outer.filterable,
            "level": max(member.level, outer.level, key=_LEVELS.index),
            "personal": max(member.personal, outer.personal, key=_PERSONAL.index),
        }
    )


def load_contract(path: FilePath) -> Contract:
    """The contract in an .avsc file. ConfigError with file, field and reason."""
    return parse_contract(parse_json(read_text(path), str(path)), str(path))


def parse_contract(schema: Any, where: str = "contract") -> Contract:
    """The contract an Avro schema (parsed JSON) holds. ConfigError with `where`, field and reason."""
    if not isinstance(schema, dict) or schema.get("type") != "record" or not isinstance(schema.get("fields"), list):
        raise _wrong(where, "a contract is an Avro record with fields.", "数据契约必须是带 fields 的 Avro record。")
    fields = []
    for i, field in enumerate(schema["fields"]):
        if not isinstance(field, dict):
            raise _wrong(f"{where}: fields.{i}", "a field is an object.", "字段必须是对象。")
        plain = {"type": unwrapped(field["type"])} if "type" in field else {}
        fields.append({**field, **plain, "has_default": "default" in field})
    known = {k: v for k, v in schema.items() if k not in ("type", "fields")}
    contract = build(Contract, {**known, "fields": fields, "source": schema}, where)
    if len(contract.fields) > MAX_FIELDS:
        raise _wrong(f"{where}: fields", f"more than {MAX_FIELDS} fields.", f"字段超过 {MAX_FIELDS} 个。")
    names: set[str] = set()
    for i, field_ in enumerate(contract.fields):
        if field_.name in names:
            twice = field_.name
            raise _wrong(f"{where}: fields.{i}.name", f"the field '{twice}' appears twice.", f"字段 '{twice}' 重复。")
        names.add(field_.name)
        check_type(field_.type, f"{where}: fields.{field_.name}")
    _check_key(contract, where)
    check_avro(contract.row_type("Row"), where)
    _check_nested(contract, where)
    return contract


def _check_key(contract: Contract, where: str) -> None:
    if len(set(contract.key)) != len(contract.key):
        raise _wrong(f"{where}: resource.key", "a key field is named twice.", "主键字段重复。")
    for name in contract.key:
        field = contract.by_name.get(name)
        if field is None:
            raise _wrong(
                f"{where}: resource.key", f"the key field '{name}' is not a field.", f"主键字段 '{name}' 不存在。"
            )
        if not is_key_type(field.type):
            raise _wrong(
                f"{where}: fields.{name}",
                "a key field is a string, int, long or date and never null.",
                "主键字段须为 string、int、long 或 date, 且不可为空。",
            )


def _check_nested(contract: Contract, where: str) -> None:
    try:
        contract.places  # noqa: B018 - built here once, so that a wrong attribute deep inside is refused now
    except ValidationError as error:
        steps, words = first_wrong(error)
        raise _wrong(f"{where}: fields … {'.'.join(steps)}", f"{words.en}.", f"{words.zh}。") from error


def _wrong(where: str, en: str, zh: str) -> ConfigError:
    return ConfigError(Text(en, zh), where=where)
