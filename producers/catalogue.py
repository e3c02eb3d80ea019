"""Every kind of adapter there is. Adding one: a folder under `adapters/`, and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from producers.adapter import Adapter
from producers.adapters.file.adapter import FileAdapter
from producers.adapters.file.mapping import FileMapping
from schemas.text import Text


@dataclass(frozen=True, slots=True)
class AdapterKind:
    """A kind of adapter: what it reads, the model of its settings, its class."""

    title: Text
    settings: type[BaseModel]
    adapter: type[Adapter]


ADAPTERS: Mapping[str, AdapterKind] = {
    "file": AdapterKind(Text("CSV files", "CSV 文件"), FileMapping, FileAdapter),
}
