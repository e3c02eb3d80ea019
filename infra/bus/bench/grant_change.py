"""`bus bench control-plane`, second half: what a grant change costs the exchange that runs.

Resources of one partition with five grants each, all live in one worker; twenty of them with one event a second. Every
three seconds a grant is amended or ended, by one entry in the control log (topic and schema are made before, as
`bus apply` makes them). The pause is the longest that an event published around the change waited for its release, under
grants the change is not about, beside the longest of a stretch in which nothing changed.
"""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Producer

from infra.bus.bench import load, many
from infra.bus.demo.flow import wait_exchanged
from infra.bus.latency import percentile
from infra.bus.workers import process
from infra.control import apply_files, topics
from infra.runtime.kafka import admin, producer_config
from infra.runtime.policy_log import ControlLog
from infra.runtime.registry import Registry
from infra.runtime.settings import Settings
from schemas.errors import TransientError
from schemas.grant import Grant, parse_grant
from schemas.ids import grant_topic, source_topic, subject
from schemas.policy_log import Event, GrantEnded, GrantOpened
from schemas.text import Text
from schemas.view_event import fingerprint
from stream_apps.policy.compile import compile_view

Say = Callable[[str], None]

GRANTS_EACH = 5
_LOADED, _WARM_UP_S, _EVERY_S = 20, 5, 3.0
_BEFORE_S, _AFTER_S = 0.1, 1.4
"""The stretch around a change, and as long a one before the next in which nothing changes."""
_SUBSCRIBERS, _AT_ONCE = 40, 50
_START_LIMIT_S = 300.0
_FIELDS: tuple[dict[str, Any], ...] = (
    {"id_no": "pass", "name": {"mask": "partial", "keep_first": 1}},
    {"id_no": "pseudonym", "district": "pass"},
    {"id_no": "pass", "birth": "date_to_year"},
    {"id_no": "pseudonym", "name": {"mask": "partial", "keep_first": 1}, "insured": "pass"},
    {"id_no": "pass", "employer": "pass"},
)


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was made: of which resource, how, and when it was acknowledged (seconds, `perf_counter`)."""

    resource: str
    kind: str
    at: float


def measure(settings: Settings, resources: int, changes: int, folder: Path, say: Say) -> dict[str, Any]:
    """What `changes` grant changes cost with `resources` times five grants live, on a cluster that has nothing else."""
    names = [f"bench.live-{n}" for n in range(resources)]
    began = time.monotonic()
    schema_ids = _apply(settings, names, folder / "live", say)
    say(f"{resources:,} resources and {resources * GRANTS_EACH:,} grants applied in {time.monotonic() - began:.0f} s")
    loaded = names[:: max(1, resources // _LOADED)][:_LOADED]
    seconds = _WARM_UP_S + int(changes * _EVERY_S) + 2
    values = {name: many.values(name, schema_ids[name], seconds) for name in loaded}
    _seed(settings, schema_ids)
    made = _prepare(settings, loaded, changes)
    started = time.monotonic()
    with process(settings, "infra.bus.main", ["exchange"], folder / "live-exchange.log") as child:
        wait_exchanged(settings, names, _START_LIMIT_S)
        ready = time.monotonic() - started
        memory = _memory_mib(child.pid)
        say(f"the exchange was through after {ready:.1f} s and takes {memory:.0f} MiB")
        acknowledged, seen, done = _run(settings, values, made, seconds)
    return {
        "resources": resources,
        "grants": resources * GRANTS_EACH,
        "exchange_start_s": round(ready, 1),
        "exchange_memory_mib": round(memory),
        "changes": [_row(kind, acknowledged, seen, [c for c in done if c.kind == kind]) for kind in ("amend", "end")],
    }


def _apply(settings: Settings, names: Sequence[str], folder: Path, say: Say) -> dict[str, int]:
    """Contracts and grants, some at once; the schema id of each resource."""
    out: dict[str, int] = {}
    for first in range(0, len(names), _AT_ONCE):
        part = folder / str(first)
        part.mkdir(parents=True, exist_ok=True)
        for n, name in enumerate(names[first : first + _AT_ONCE], first):
            (part / f"{name}.avsc").write_text(json.dumps(load.contract(name).source))
            for k in range(GRANTS_EACH):
                text = _grant(name, n, k).model_dump_json(by_alias=True)
                (part / f"{name}-{k}.yaml").write_text(text)
        facts: list[Any] = [a.fact for a in apply_files(settings, [part], by="bench") if a.kind == "contract"]
        out |= {f.resource: f.schema_id for f in facts}
        say(f"{len(out):,} of {len(names):,} resources applied")
    return out


def _seed(settings: Settings, schema_ids: dict[str, int]) -> None:
    """An event for every resource, so that it is seen when the exchange has come to it."""
    producer = Producer(producer_config(settings))
    for name, schema_id in schema_ids.items():
        for _, value in many.values(name, schema_id, 1):
            producer.produce(source_topic(name), value, b"seed", partition=0)
    if producer.flush(60):
        raise TransientError(Text("the broker did not take the load.", "代理未接收全部数据。"))


def _memory_mib(pid: int) -> float:
    """Of the worker: what the supervisor started."""
    return sum(p.memory_info().rss for p in psutil.Process(pid).children(recursive=True)) / 2**20


def _grant(resource: str, n: int, k: int, **changes: Any) -> Grant:
    document: dict[str, Any] = {
        "kind": "Grant",
        "id": f"{resource}.grant" if k == 0 else f"{resource}.grant-{k}",
        "subscriber": f"subscriber-{(n * GRANTS_EACH + k) % _SUBSCRIBERS}",
        "resource": resource,
        "purpose": "benchmark",
        "basis": "benchmark",
        "fields": _FIELDS[k],
        "valid": {"from": "2026-01-01", "until": "2099-12-31"},
    }
    return parse_grant(document | changes)


def _prepare(settings: Settings, loaded: Sequence[str], changes: int) -> list[tuple[str, str, Event]]:
    """The changes to make, in turn an amendment and an end, with topic and schema of what they open."""
    now, out = int(time.time() * 1000), list[tuple[str, str, Event]]()
    client = admin(settings)
    with ControlLog(settings) as log, closing(Registry(settings)) as registry:
        for i in range(changes):
            resource = loaded[i % len(loaded)]
            if i % 2:
                end = GrantEnded(grant=f"{resource}.grant-4", generation=1, reason="revoked", at=now, by="bench")
                out.append((resource, "end", end))
                continue
            old = log.state.grants[f"{resource}.grant-4"].grant
            new = old.model_copy(update={"purpose": "amended", "before": True})
            view = compile_view(load.contract(resource), new)
            topic = grant_topic(new.id, 2)
            opened = GrantOpened(
                grant=new,
                generation=2,
                topic=topic,
                schema_id=registry.register(subject(topic), view.schema),
                fingerprint=fingerprint(view.schema),
                at=now,
                by="bench",
            )
            topics.create(client, [topics.of_grant(new.id, 2, 1)], {})
            out.append((resource, "amend", opened))
    return out


def _run(
    settings: Settings,
    values: dict[str, list[tuple[bytes, bytes]]],
    made: Sequence[tuple[str, str, Event]],
    seconds: int,
) -> tuple[dict[str, float], dict[str, float], list[Change]]:
    """When each event was acknowledged and when it was released, by key, and the changes made meanwhile."""
    reader = many.Reader(settings, list(values))
    reader.start()
    done: list[Change] = []
    failed: list[BaseException] = []
    with ControlLog(settings) as log:
        changing = threading.Thread(target=_change, args=(log, made, done, failed), name="bench-changes", daemon=True)
        changing.start()
        acknowledged = many.publish(settings, values, seconds)
        reader.finish(len(acknowledged), 60.0)
        changing.join()
    if failed:
        raise failed[0]
    return acknowledged, reader.seen, done


def _change(
    log: ControlLog, made: Sequence[tuple[str, str, Event]], done: list[Change], failed: list[BaseException]
) -> None:
    try:
        begin = time.perf_counter() + _WARM_UP_S
        for n, (resource, kind, event) in enumerate(made):
            time.sleep(max(0.0, begin + n * _EVERY_S - time.perf_counter()))
            log.append([event])
            done.append(Change(resource, kind, time.perf_counter()))
    except Exception as error:  # noqa: BLE001 - raised again where the thread is waited for
        failed.append(error)


def _row(
    kind: str, acknowledged: dict[str, float], seen: dict[str, float], changes: Sequence[Change]
) -> dict[str, Any]:
    """Longest waits in milliseconds: around changes and beside them, of others and of the changed resource itself."""

    def longest(change: Change, late: float, own: bool) -> float:
        begin, end = change.at + late - _BEFORE_S, change.at + late + _AFTER_S
        waits = [
            (seen[key] - at) * 1000
            for key, at in acknowledged.items()
            if begin <= at <= end and key.startswith(f"{change.resource}#") is own
        ]
        return max(waits, default=0.0)

    around = [longest(c, 0.0, False) for c in changes]
    beside = [longest(c, _EVERY_S / 2, False) for c in changes]
    own = [longest(c, 0.0, True) for c in changes]
    return {
        "change": kind,
        "count": len(changes),
        "others_wait_ms_p50": percentile(around, 0.5),
        "others_wait_ms_max": percentile(around, 1.0),
        "without_change_ms_p50": percentile(beside, 0.5),
        "without_change_ms_max": percentile(beside, 1.0),
        "pause_ms_p50": round(statistics.median(around) - statistics.median(beside), 1),
        "own_resource_wait_ms_p50": percentile(own, 0.5),
        "own_resource_wait_ms_max": percentile(own, 1.0),
    }
