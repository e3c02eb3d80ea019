"""What may be written to the register (pure): every reference must lead somewhere, and no entry may contradict its contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from infra.control.register.state import RegisterState
from schemas.catalogue_entry import CatalogueEntry
from schemas.contract import Sharing
from schemas.errors import ConfigError
from schemas.register_log import Document, Key, key_of
from schemas.text import Text


@dataclass(frozen=True, slots=True)
class Connected:
    """What a contract says that its catalogue entry says too."""

    provider: str
    sharing: Sharing


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a document may not be written, and the file it is in."""

    file: str
    place: str
    what: Text


_EDIT = Text("Add it in the same command, or correct the id.", "请在同一命令中补充, 或更正编号。")


def judge(
    before: RegisterState,
    documents: Sequence[tuple[str, Document]],
    contracts: Mapping[str, Connected],
    withdrawn: Iterable[Key] = (),
) -> None:
    """ConfigError for the first of `documents` (file, document) that refers to what there will not be or contradicts a
    contract, naming how many more; and for something `withdrawn` that others still refer to.

    contracts   of connected resources, by id, those applied with the documents included
    """
    gone = set(withdrawn)
    departments = _ids("Department", before, documents, gone)
    units = {name: u.department for name, u in before.units.items() if ("Unit", name) not in gone}
    units |= {d.id: d.department for _, d in documents if d.kind == "Unit"}
    problems = [p for file, d in documents for p in _problems(file, d, departments, units, contracts)]
    if not problems and (gone or _moved(before, documents)):
        problems = list(_left_behind(before, documents, gone, departments, units))
    if problems:
        first, more = problems[0], len(problems) - 1
        hint = Text(f"({more} more wrong places.)", f"(另有 {more} 处错误。)") if more else _EDIT
        raise ConfigError(first.what, where=f"{first.file}: {first.place}", hint=hint)


def contradictions(state: RegisterState, contracts: Mapping[str, Connected]) -> dict[str, Text]:
    """Entries whose contract meanwhile says something else, with what. The contract decides; the entry is to be corrected."""
    found = {}
    for name, contract in contracts.items():
        entry = state.entry(name)
        said = None if entry is None else _against(entry, contract)
        if said is not None:
            found[name] = said[1]
    return found


def _ids(kind: str, before: RegisterState, documents: Sequence[tuple[str, Document]], gone: set[Key]) -> set[str]:
    old = {name for of, name in before.texts if of == kind and (of, name) not in gone}
    return old | {d.id for _, d in documents if d.kind == kind}


def _problems(
    file: str,
    document: Document,
    departments: set[str],
    units: Mapping[str, str],
    contracts: Mapping[str, Connected],
) -> Iterable[Problem]:
    if document.kind == "Department":
        return
    if document.kind == "CatalogueEntry":
        for place, name in (("provider", document.provider), ("lead", document.lead)):
            if name is not None and name not in departments:
                yield Problem(file, f"{document.id}.{place}", _no_department(name))
        contract = contracts.get(document.id)
        against = None if contract is None else _against(document, contract)
        if against is not None:
            yield Problem(file, f"{document.id}.{against[0]}", against[1])
        return
    if document.department not in departments:
        yield Problem(file, f"{document.id}.department", _no_department(document.department))
    if document.kind == "System" and document.unit is not None:
        of = units.get(document.unit)
        if of != document.department:
            yield Problem(file, f"{document.id}.unit", _no_unit(document.unit, document.department))


def _moved(before: RegisterState, documents: Sequence[tuple[str, Document]]) -> bool:
    """Whether a unit goes to another department: its systems may stay behind."""
    units = before.units
    return any(d.kind == "Unit" and d.id in units and units[d.id].department != d.department for _, d in documents)


def _left_behind(
    before: RegisterState,
    documents: Sequence[tuple[str, Document]],
    gone: set[Key],
    departments: set[str],
    units: Mapping[str, str],
) -> Iterable[Problem]:
    """What is in the register already, is not written now, and would refer to nothing."""
    written = {key_of(d) for _, d in documents} | gone
    rest: list[Document] = [*before.units.values(), *before.systems.values(), *before.catalogue.values()]
    for document in rest:
        if key_of(document) not in written:
            yield from _problems(f"{document.kind} {document.id}", document, departments, units, {})


def _against(entry: CatalogueEntry, contract: Connected) -> tuple[str, Text] | None:
    for place, says, decides in (
        ("provider", entry.provider, contract.provider),
        ("sharing", entry.sharing, contract.sharing),
    ):
        if says != decides:
            return place, Text(
                f"the entry says {place} '{says}', the contract of '{entry.id}' says '{decides}'.",
                f"目录条目的 {place} 为 '{says}', 而 '{entry.id}' 的契约为 '{decides}'。",
            )
    return None


def _no_department(name: str) -> Text:
    return Text(f"there is no department '{name}'.", f"部门 '{name}' 不存在。")


def _no_unit(name: str, department: str) -> Text:
    return Text(f"the department '{department}' has no unit '{name}'.", f"部门 '{department}' 没有下属单位 '{name}'。")
