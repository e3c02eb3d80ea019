"""What standing approvals ask of directory and catalogue: who is certified for what, and what belongs to a class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from infra.control.standing.expand import Certified
from schemas.catalogue_entry import CatalogueEntry
from schemas.directory import Department
from schemas.errors import ConfigError
from schemas.text import Text


def _no_catalogue(domain: str) -> Sequence[str]:
    """Rather than a list nobody can check."""
    raise ConfigError(
        Text(
            f"there is no catalogue here that says what '{domain}' is.", f"此处没有目录, 无法确定 '{domain}' 的范围。"
        ),
        where="resources.domain",
        hint=Text("Name resources, or patterns of them.", "请写明资源或匹配模式。"),
    )


@dataclass(frozen=True, slots=True)
class City:
    """certified: every department -> its purposes. domain: a catalogue class (`base:法人`) -> resources by id."""

    certified: Certified = field(default_factory=dict)
    domain: Callable[[str], Sequence[str]] = _no_catalogue


def city(documents: Iterable[Department | CatalogueEntry]) -> City:
    """The city that these entries of directory and catalogue describe; of two with one id the last counts."""
    certified: dict[str, tuple[str, ...]] = {}
    entries: dict[str, CatalogueEntry] = {}
    for document in documents:
        if isinstance(document, Department):
            certified[document.id] = document.certified
        else:
            entries[document.id] = document
    domains: dict[str, list[str]] = defaultdict(list)
    for entry in entries.values():
        domains[f"{entry.class_}:{entry.domain}"].append(entry.id)
    return City(certified, lambda domain: domains.get(domain, ()))
