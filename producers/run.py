"""The runner: an adapter into a publisher until the source has no more, beginning again when something was out of reach."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from infra.runtime.desk import DeskReader, desks_kept
from infra.runtime.registry import Registry
from infra.runtime.settings import Settings
from producers import telemetry
from producers.adapter import Adapter
from producers.adapters.file.adapter import FileAdapter, Progress
from producers.adapters.file.mapping import FileMapping, load_mapping
from producers.patience import Patience
from producers.publisher import Publisher
from producers.quarantine import QuarantineFile
from schemas.change_event import change_event_schema
from schemas.contract import Contract, load_contract, parse_contract
from schemas.errors import ConfigError, TransientError
from schemas.ids import desk_topic, source_topic, subject
from schemas.text import Text

A = TypeVar("A", bound=Adapter)
T = TypeVar("T")


@dataclass(slots=True)
class PublishReport:
    """What a run came to. Counts of events are those this run committed.

    published         messages by operation (c, u, d, r); a key change is one d and one c
    unchanged         rows as they were published before
    repeated          rows exactly like an earlier one of the file
    quarantined       rejections by (field or None, reason); a row with two wrong fields has two
    quarantined_rows  rows kept back
    nulled            values made null because they could not be converted, by (field, reason)
    position          the position Kafka holds now, or None if nothing was ever published
    quarantine_file   where rejections are listed, or None if there are none
    """

    adapter: str
    resource: str
    rows: int = 0
    published: Counter[str] = field(default_factory=Counter)
    unchanged: int = 0
    repeated: int = 0
    quarantined: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    quarantined_rows: int = 0
    nulled: Counter[tuple[str, str]] = field(default_factory=Counter)
    position: str | None = None
    quarantine_file: Path | None = None


def now_ms() -> int:
    """Milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def publish_file(
    settings: Settings,
    mapping_path: Path,
    file: Path,
    *,
    contract: Path | None = None,
    accept_deletes: bool = False,
    snapshot: bool = False,
    progress: Progress = lambda _stage, _rows: None,
    clock: Callable[[], int] = now_ms,
    wait: Callable[[float], None] = time.sleep,
    batch_rows: int = 10_000,
) -> PublishReport:
    """Publish a CSV file's differences to what was published before.

    settings   `located()`
    contract   registered if given; else the contract in force is read from the registry
    progress   called with a stage (`check`, `publish`, `delete`) and the rows done so far

    Raises ConfigError (mapping, file, contract, too many deletes: nothing was published), PermanentError, or
    TransientError when what was out of reach stayed so.
    """
    mapping = load_mapping(mapping_path)
    started = clock()
    patience = Patience(mapping.resource, wait)
    schema_id, found = _insist(lambda: contract_in_force(settings, mapping.resource, contract), patience)
    quarantine = QuarantineFile(settings.home, mapping.resource, mapping.adapter, started)
    report = PublishReport(mapping.adapter, mapping.resource)
    state = state_path(settings, mapping)

    def make() -> FileAdapter:
        adapter = FileAdapter(
            mapping,
            file,
            state,
            where=str(mapping_path),
            accept_deletes=accept_deletes,
            snapshot=snapshot and not report.published,
            progress=progress,
            batch_rows=batch_rows,
        )
        _begin_again(report, adapter)
        return adapter

    def publisher() -> Publisher:
        return Publisher(settings, mapping.adapter, found, schema_id, clock=clock, quarantine=quarantine)

    last = run(make, publisher, found, report, patience)
    _count(report, last)
    report.quarantine_file = quarantine.path if quarantine.path.exists() else None
    telemetry.finished(report.resource, report.adapter, report.published.total(), report.quarantined_rows)
    return report


def run(
    make: Callable[[], A],
    publisher: Callable[[], Publisher],
    contract: Contract,
    report: PublishReport,
    patience: Patience,
) -> A:
    """Run until the source has no more; the adapter that got there. Only TransientError is tried again."""
    while True:
        before = report.position
        try:
            return _run_once(make(), publisher, contract, report, patience)
        except TransientError as error:
            if report.position != before:
                patience.progress()
            patience.again(error)


def contract_in_force(settings: Settings, resource: str, given: Path | None) -> tuple[int, Contract]:
    """Schema id and contract of a resource: the given file's (registered), else the newest the registry has.

    On a secured cluster a department reads its desk instead, and a given file must be what is in force there.
    """
    contract = None if given is None else _given(given, resource)
    if settings.department and desks_kept(settings):
        return _from_desk(settings, settings.department, resource, contract, str(given))
    name = subject(source_topic(resource))
    registry = Registry(settings)
    try:
        if contract is not None:
            return registry.register(name, change_event_schema(contract)), contract
        latest = registry.latest(name)
    finally:
        registry.close()
    if latest is None:
        raise ConfigError(
            Text(
                f"the resource '{resource}' has no contract in the registry.", f"注册中心没有资源 '{resource}' 的契约。"
            ),
            where=name,
            hint=Text("Apply it first: bus apply -f CONTRACT.avsc", "请先应用契约: bus apply -f CONTRACT.avsc"),
        )
    before = next(f["type"] for f in latest[1]["fields"] if f["name"] == "before")
    return latest[0], parse_contract(before[1], name)


def _given(path: Path, resource: str) -> Contract:
    contract = load_contract(path)
    if contract.id != resource:
        raise ConfigError(
            Text(
                f"the contract is for '{contract.id}', the mapping for '{resource}'.",
                f"契约属于 '{contract.id}', 映射属于 '{resource}'。",
            ),
            where=str(path),
        )
    return contract


def _from_desk(
    settings: Settings, department: str, resource: str, given: Contract | None, where: str
) -> tuple[int, Contract]:
    with DeskReader(settings, department) as reader:
        found = reader.read_to_end().policy.contracts.get(resource)
    if found is None:
        raise ConfigError(
            Text(
                f"'{resource}' is no resource of {department} in force.",
                f"'{resource}' 不是 {department} 已生效的资源。",
            ),
            where=desk_topic(department),
            hint=Text("Its contract must be applied first.", "须先使其契约生效。"),
        )
    if given is not None and given.source != found.contract.source:
        raise ConfigError(
            Text("the file is not the contract in force.", "该文件与已生效的契约不一致。"),
            where=where,
            hint=Text("Have it applied first, or leave it out.", "请先使其生效, 或不指定契约文件。"),
        )
    return found.schema_id, found.contract


def state_path(settings: Settings, mapping: FileMapping) -> Path:
    """Where a file adapter keeps what it published."""
    return settings.home / "state" / "adapters" / f"{mapping.adapter}.{mapping.resource}.db"


def _run_once(
    adapter: A, publisher: Callable[[], Publisher], contract: Contract, report: PublishReport, patience: Patience
) -> A:
    try:
        with publisher() as out:
            patience.reached()
            report.position = out.position
            adapter.open(contract, out.position)
            while (batch := adapter.read()) is not None:
                if not batch.events and not batch.rejected:
                    continue
                prepared = out.prepare(batch)
                adapter.prepare(prepared.accepted, prepared.position)
                out.commit(prepared)
                adapter.committed(prepared.position)
                report.position = prepared.position
                report.published.update(prepared.by_op)
                report.quarantined.update((r.field, r.reason) for r in prepared.rejected)
                report.quarantined_rows += len({r.row for r in prepared.rejected})
    finally:
        adapter.close()
    return adapter


def _begin_again(report: PublishReport, adapter: FileAdapter) -> None:
    """A new attempt reads the file from its beginning, so what is counted by reading is counted anew."""
    report.quarantined.clear()
    report.quarantined_rows = 0
    report.unchanged = -sum(report.published[op] for op in "cur")
    report.adapter = adapter.id


def _count(report: PublishReport, adapter: FileAdapter) -> None:
    counts = adapter.counts
    report.rows, report.repeated, report.nulled = counts.rows, counts.repeated, counts.nulled
    report.unchanged += counts.unchanged


def _insist(call: Callable[[], T], patience: Patience) -> T:
    while True:
        try:
            found = call()
        except TransientError as error:
            patience.again(error)
        else:
            patience.progress()
            return found
