"""The register as a value: directory and catalogue at one moment, for judgements and for whoever expands a policy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from schemas.catalogue_entry import CatalogueEntry
from schemas.directory import Department, System, Unit
from schemas.register_log import Document, EntryPut, Key, Kind, RegisterEvent, document_of, document_text, key_of


@dataclass(frozen=True)
class RegisterState:
    """Every document by kind and id, as its canonical text (`schemas.register_log.document_text`).

    Text, because most questions touch few of 20,000 documents: what is asked for is read then, and kept.
    """

    texts: Mapping[Key, str] = field(default_factory=dict)

    def after(self, events: Sequence[RegisterEvent]) -> RegisterState:
        """The state once `events` have been folded in, in their order. This one is unchanged."""
        texts = dict(self.texts)
        for event in events:
            if isinstance(event, EntryPut):
                texts[key_of(event.document)] = document_text(event.document)
            else:
                texts.pop((event.of, event.id), None)
        return RegisterState(texts)

    @cached_property
    def departments(self) -> dict[str, Department]:
        """Departments and districts by id."""
        return {d.id: d for d in self._of("Department") if isinstance(d, Department)}

    @cached_property
    def units(self) -> dict[str, Unit]:
        """Units by id."""
        return {d.id: d for d in self._of("Unit") if isinstance(d, Unit)}

    @cached_property
    def systems(self) -> dict[str, System]:
        """Systems by id."""
        return {d.id: d for d in self._of("System") if isinstance(d, System)}

    @cached_property
    def catalogue(self) -> dict[str, CatalogueEntry]:
        """Every entry of the catalogue by id."""
        return {d.id: d for d in self._of("CatalogueEntry") if isinstance(d, CatalogueEntry)}

    def entry(self, name: str) -> CatalogueEntry | None:
        """One entry of the catalogue."""
        text = self.texts.get(("CatalogueEntry", name))
        found = None if text is None else document_of(text)
        return found if isinstance(found, CatalogueEntry) else None

    @property
    def purposes(self) -> dict[str, tuple[str, ...]]:
        """Every department with what it is certified for."""
        return {d.id: d.certified for d in self.departments.values()}

    def certified(self, purpose: str) -> tuple[str, ...]:
        """Departments certified for a purpose (`综合治税`), in the order of their ids."""
        return tuple(sorted(d.id for d in self.departments.values() if purpose in d.certified))

    def entries(self, domain: str) -> tuple[str, ...]:
        """Resources of a class and domain, written `base:法人`, in the order of their ids; none for one nobody names."""
        return self._domains.get(domain, ())

    @cached_property
    def _domains(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = defaultdict(list)
        for entry in self.catalogue.values():
            found[f"{entry.class_}:{entry.domain}"].append(entry.id)
        return {domain: tuple(sorted(names)) for domain, names in found.items()}

    def _of(self, kind: Kind) -> list[Document]:
        return [document_of(text) for (of, _), text in self.texts.items() if of == kind]
