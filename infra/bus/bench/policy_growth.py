"""`bus bench control-plane`, first half: what reading the policy costs as resources and grants grow.

One log that gets longer, and at each size a new process that reads it from its beginning, as every worker does at its
start. Growth is against linear: the cost of one entry at a size, to that at the smallest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from infra.bus.bench import load
from infra.bus.workers import process
from infra.runtime.policy_log import ControlLog
from infra.runtime.settings import Settings
from schemas.errors import TransientError
from schemas.grant import parse_grant
from schemas.policy_log import ContractPublished, Event, GrantOpened
from schemas.text import Text

SIZES = (1_000, 5_000, 18_725)
"""Resources; the last is the city's catalogue."""
_GRANTS_AT_LAST = 5_000
"""Grants at the last size; their number grows with that of resources."""
_ON_EACH = 5
"""Grants on one resource."""
_BATCH = 500
_LIMIT_S = 150.0

Say = Callable[[str], None]


def measure(settings: Settings, sizes: tuple[int, ...], folder: Path, say: Say) -> list[dict[str, Any]]:
    """A row for each size, on a cluster whose control log is empty."""
    out: list[dict[str, Any]] = []
    done = (0, 0)
    for size in sizes:
        upto = (size, size * _GRANTS_AT_LAST // SIZES[-1])
        _write(settings, done, upto)
        done = upto
        found = _read(settings, folder)
        each = found["cpu_seconds"] / found["events"]
        first = out[0] if out else found
        found["growth_to_linear"] = round(each / (first["cpu_seconds"] / first["events"]), 2)
        found["memory_to_linear"] = round(
            found["memory_mib"] / found["events"] / max(first["memory_mib"] / first["events"], 1e-9), 2
        )
        out.append(found)
        say(f"{size:,} resources, {found['grants']:,} grants: read in {found['seconds']} s, {found['memory_mib']} MiB")
    return out


def _write(settings: Settings, done: tuple[int, int], upto: tuple[int, int]) -> None:
    with ControlLog(settings) as log:
        for events in _batches(_events(done, upto)):
            log.append(events)


def _events(done: tuple[int, int], upto: tuple[int, int]) -> Iterator[Event]:
    for n in range(done[0], upto[0]):
        yield ContractPublished(
            resource=_resource(n), schema_id=1, contract=load.contract(_resource(n)).source, at=0, by="bench"
        )
    for n in range(done[1], upto[1]):
        resource = _resource(n // _ON_EACH)
        grant = load.grants(resource, 1)[0].model_dump(by_alias=True) | {"id": f"bench.grant-{n}"}
        yield GrantOpened(
            grant=parse_grant(grant),
            generation=1,
            topic=f"grant.bench.grant-{n}.g1",
            schema_id=1,
            fingerprint="0" * 64,
            at=0,
            by="bench",
        )


def _batches(events: Iterator[Event]) -> Iterator[list[Event]]:
    batch: list[Event] = []
    for event in events:
        batch.append(event)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _resource(n: int) -> str:
    return f"bench.resource-{n}"


def _read(settings: Settings, folder: Path) -> dict[str, Any]:
    log = folder / "policy-reader.log"
    log.unlink(missing_ok=True)
    with process(settings, "infra.bus.bench.policy_reader", [], log) as child:
        child.wait(_LIMIT_S)
    lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
    if child.returncode or not lines:
        raise TransientError(
            Text("the control log could not be read.", "无法读取控制日志。"),
            where=str(log),
            hint=Text("See that file.", "请查看该文件。"),
        )
    found: dict[str, Any] = json.loads(lines[-1])
    return found
