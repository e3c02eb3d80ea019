"""The contract of a resource: its Avro schema, whose extra attributes are its data standard (DESIGN 7).

record attributes   resource: id, title, provider, key, sharing, open, basis, update, partitions
field attributes    format, filterable, level, personal, masks, rules
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from schemas.avro_types import AVRO_NAME, MAX_FIELDS, check_avro, check_type, is_key_type, unwrapped
from schemas.errors import ConfigError
from schemas.ids import Id
from schemas.text import Text
from schemas.validation import Model, build, parse_json, read_text

_SECRET = frozenset({"secret", "confidential", "top-secret", "work-secret", "绝密", "机密", "秘密", "工作秘密"})

Sharing = Literal["unconditional", "conditional", "refused"]
Level = Literal["general", "important", "core"]
Personal = Literal["none", "personal", "sensitive"]


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
    secrecy: str | None = None

    @model_validator(mode="after")
    def _rules(self) -> ResourceAttributes:
        if self.secrecy is not None and self.secrecy.lower() in _SECRET:
            raise ValueError(
                "state and work secrets cannot be published on the bus (政务数据共享条例 Art. 3) / 涉密数据不得上总线"
            )
        if self.sharing == "refused" and not self.basis:
            raise ValueError(
                "a refused resource states the law it rests on in 'basis' (Art. 15) / 不予共享须注明法律依据"
            )
        return self


class Contract(Model):
    """A resource's contract. Build it with `parse_contract` or `load_contract`, which check what pydantic cannot."""

    name: str
    namespace: str = ""
    doc: str = ""
    resource: ResourceAttributes
    fields: tuple[ContractField, ...] = Field(min_length=1)
    source: dict[str, Any] = Field(repr=False)
    """The Avro schema exactly as its provider wrote it: what the registry holds."""

    @cached_property
    def by_name(self) -> dict[str, ContractField]:
        """The fields by name."""
        return {f.name: f for f in self.fields}

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


def load_contract(path: Path) -> Contract:
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
    names = [f.name for f in contract.fields]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise _wrong(f"{where}: fields.{i}.name", f"the field '{name}' appears twice.", f"字段 '{name}' 重复。")
        check_type(contract.fields[i].type, f"{where}: fields.{name}")
    if len(names) > MAX_FIELDS:
        raise _wrong(f"{where}: fields", f"more than {MAX_FIELDS} fields.", f"字段超过 {MAX_FIELDS} 个。")
    _check_key(contract, where)
    check_avro(contract.row_type("Row"), where)
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


def _wrong(where: str, en: str, zh: str) -> ConfigError:
    return ConfigError(Text(en, zh), where=where)
