"""Entries of the log `bus.register`: a document of the directory or the catalogue is put, in place of the one before it under
the same kind and id, or withdrawn. The log describes; nothing is released because of it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from schemas.catalogue_entry import CatalogueEntry, parse_entry
from schemas.directory import Department, System, Unit, parse_directory
from schemas.errors import PermanentError
from schemas.ids import REGISTER_TOPIC, Id
from schemas.text import Text
from schemas.validation import Model

Kind = Literal["Department", "Unit", "System", "CatalogueEntry"]
KINDS: tuple[Kind, ...] = ("Department", "Unit", "System", "CatalogueEntry")
"""In the order in which they refer to each other."""
Document = Department | Unit | System | CatalogueEntry
Key = tuple[Kind, str]
"""What a document is known by: kind and id."""


class EntryPut(Model):
    """The document holds from here on. `at`: milliseconds since 1970 UTC by the writer's clock; `by`: who ran the command."""

    kind: Literal["put"] = "put"
    document: Annotated[Document, Field(discriminator="kind")]
    at: int
    by: str


class EntryWithdrawn(Model):
    """There is no such document from here on."""

    kind: Literal["withdrawn"] = "withdrawn"
    of: Kind
    id: Id
    at: int
    by: str


RegisterEvent = EntryPut | EntryWithdrawn
_ADAPTER: TypeAdapter[RegisterEvent] = TypeAdapter(Annotated[RegisterEvent, Field(discriminator="kind")])
_DOCUMENT: TypeAdapter[Document] = TypeAdapter(Annotated[Document, Field(discriminator="kind")])


def key_of(document: Document) -> Key:
    """Kind and id."""
    return document.kind, document.id


def parse_document(document: dict[str, Any], where: str) -> Document:
    """A document of the register from parsed YAML or JSON, its `kind` one of KINDS. ConfigError with `where`, place, reason."""
    return parse_entry(document, where) if document["kind"] == "CatalogueEntry" else parse_directory(document, where)


def document_text(document: Document) -> str:
    """The document as canonical text: two documents are equal exactly when these are."""
    return document.model_dump_json(by_alias=True, exclude_defaults=False)


def document_of(text: str) -> Document:
    """The document that `document_text` wrote."""
    return _DOCUMENT.validate_json(text)


def encode(event: RegisterEvent) -> bytes:
    """The event as it is written to the log."""
    return event.model_dump_json(by_alias=True).encode()


def decode(value: bytes | None, offset: int) -> RegisterEvent:
    """The event at `offset`. PermanentError if it is none: a register with holes would be believed."""
    try:
        return _ADAPTER.validate_json(value or b"")
    except ValidationError as error:
        raise PermanentError(
            Text(
                f"the register holds an entry this version does not understand ({error.error_count()} faults).",
                f"目录日志含有本版本无法识别的条目({error.error_count()} 处)。",
            ),
            where=f"{REGISTER_TOPIC}@{offset}",
            hint=Text("Upgrade this process.", "请升级本进程。"),
        ) from error
