"""What standing approvals ask of directory and catalogue: who is certified for what, and what belongs to a class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.control.standing.expand import Certified
from schemas.catalogue_entry import CatalogueEntry, parse_entry
from schemas.directory import Department, parse_directory
from schemas.errors import ConfigError
from schemas.text import Text
from schemas.validation import parse_yaml, read_text


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


def city_in(paths: Sequence[Path]) -> City:
    """The city that files, and .yaml files anywhere below folders, describe; without any, one of which nothing is known.

    Documents of other kinds are passed over. ConfigError for an entry that is wrong.
    """
    files = [f for p in paths for f in (sorted(p.rglob("*.yaml")) if p.is_dir() else [p])]
    documents = [(str(f), d) for f in files for d in parse_yaml(read_text(f), str(f)) if isinstance(d, dict)]
    entries = [parse_entry(d, f) for f, d in documents if d.get("kind") == "CatalogueEntry"]
    departments = [parse_directory(d, f) for f, d in documents if d.get("kind") == "Department"]
    if not paths:
        return City()
    return city([*entries, *(d for d in departments if isinstance(d, Department))])
