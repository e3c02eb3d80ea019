"""The page of measured figures, made from the result files: the only place where numbers are written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_HEAD = """# Measured

Made by `bus bench all --page FILE` (`make bench`) from `.bus/bench/*.json`; do not edit. Ratios are medians of interleaved
rounds in one run on one broker; absolute figures are this machine's. The rival is a byte copy: consume in batches,
`produce_batch`, one transaction with offsets per poll (`infra/bus/bench/copy_loop.py`). The exchange decodes, filters,
masks (with one view: `partial` on a name, an identity number and a phone, one keyed pseudonym, a truncated address), encodes and produces, on the same limits; half of the events are updates with
`before`.
"""


def write_page(folder: Path, path: Path) -> None:
    """Write the page from the results in `folder`."""
    found = {p.stem: json.loads(p.read_text()) for p in sorted(folder.glob("*.json"))}
    parts = [_HEAD]
    if "exchange" in found:
        parts.append(_exchange(found["exchange"]))
    if "policy" in found:
        parts.append(_policy(found["policy"]))
    if "latency" in found:
        parts.append(_latency(found["latency"]))
    if "isolation" in found:
        parts.append(_isolation(found["isolation"]))
    if "soak" in found:
        parts.append(_soak(found["soak"]))
    if "delivery" in found:
        parts.append(_delivery(found["delivery"]))
    parts += [_revocation(found[name]) for name in ("revocation", "revocation-secured") if name in found]
    if "snapshot" in found:
        parts.append(_snapshot(found["snapshot"]))
    if "control-plane" in found:
        parts.append(_control_plane(found["control-plane"]))
    if "recovery" in found:
        parts.append(_recovery(found["recovery"]))
    path.write_text("\n".join(parts))


def _exchange(found: dict[str, Any]) -> str:
    lines = [
        f"## Exchange ({_machine(found)}, {found['events']:,} records)",
        "",
        "| views of one resource | copy, records/s | exchange, records/s | ratio to copy |",
        "| --- | --- | --- | --- |",
    ]
    for views, ratio in found["ratio_to_copy"].items():
        rates = found["records_per_second"][views]
        lines.append(f"| {views} | {rates['copy']:,} | {rates['exchange']:,} | {ratio} |")
    spread = found["release_ms_200_resources"]
    lines += [
        "",
        "200 resources with one event a second each on one worker, publish acknowledged to released: "
        f"p50 {spread['p50']} ms, p99 {spread['p99']} ms, max {spread['max']} ms.",
        "",
    ]
    return "\n".join(lines)


def _policy(found: dict[str, Any]) -> str:
    lines = [
        f"## Policy ({_machine(found)}, batches of {found['batch']:,}, one thread)",
        "",
        "| mask | distinct values/s | repeated values/s | rows/s | times the pseudonym |",
        "| --- | --- | --- | --- | --- |",
    ]
    for m in found["masks"]:
        rates = " | ".join(f"{m[f'{name}_per_second']:,}" for name in ("distinct", "repeated", "rows"))
        lines.append(f"| {m['name']} | {rates} | {m['times_pseudonym']} |")
    lines += ["", "| filter | columns, rows/s | rows, rows/s |", "| --- | --- | --- |"]
    lines += [f"| `{f['name']}` | {f['columns_per_second']:,} | {f['rows_per_second']:,} |" for f in found["filters"]]
    return "\n".join([*lines, ""])


def _latency(found: dict[str, Any]) -> str:
    lines = [
        f"## Latency ({_machine(found)}, {found['seconds']} s each)",
        "",
        "Milliseconds from publish acknowledged to row committed in PostgreSQL (which waits for its disk). `broken`: the topic "
        "of one grant refuses everything; the others are counted.",
        "",
        "| load | grants | resources | events/s | p50 | p99 | max |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {r['load']} | {r['grants']} | {r['resources']} | {r['events_per_second']:,} | {r['p50']} | {r['p99']} | {r['max']} |"
        for r in found["committed_ms"]
    ]
    return "\n".join([*lines, ""])


def _isolation(found: dict[str, Any]) -> str:
    lines = [
        f"## Isolation ({_machine(found)}, {found['events_per_second']} events/s, {found['rounds']} turns of "
        f"{found['turn_s']:.0f} s each)",
        "",
        "Milliseconds from publish acknowledged to row committed in one subscriber's PostgreSQL, while another subscriber of the "
        "same resource misbehaves, on a secured cluster. `greedy` reads its whole topic again and again with eight clients; its "
        f"quota is {found['greedy_quota_mb_per_s']} MB/s, and it got {found['greedy_got_mb_per_s']} MB/s.",
        "",
        "| trouble | events | p50 | p99 | max |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {r['trouble']} | {r['events']:,} | {r['p50']} | {r['p99']} | {r['max']} |" for r in found["latency_ms"]
    ]
    return "\n".join([*lines, ""])


def _soak(found: dict[str, Any]) -> str:
    lines = [
        f"## Soak ({_machine(found)}, {found['minutes']:g} minutes, {found['events_per_second']:,} events/s)",
        "",
        f"Half of the capacity measured just before ({found['capacity_per_second']:,} events/s from publication into "
        f"PostgreSQL), {found['events']:,} events. First and last third after warm-up.",
        "",
        "| process | memory first, MiB | memory last, MiB | growth | files first | files last |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {p['process']} | {p['memory_mib_first']} | {p['memory_mib_last']} | {p['memory_growth_percent']} % | "
        f"{p['files_first']} | {p['files_last']} |"
        for p in found["processes"]
    ]
    lines += ["", "| acknowledged to committed, ms | p50 | p99 | max |", "| --- | --- | --- | --- |"]
    lines += [f"| {r['when']} | {r['p50']} | {r['p99']} | {r['max']} |" for r in found["latency_ms"]]
    return "\n".join([*lines, ""])


def _delivery(found: dict[str, Any]) -> str:
    lines = [
        f"## Delivery ({_machine(found)}, {found['events']:,} events, {found['rounds']} rounds)",
        "",
        "Rows of ten columns, half of the events updates. The bare loop writes the same rows, ready in memory, in the same "
        "batches; the sink alone is fed events that are ready in memory; the deliverer is `bus deliver`, from Kafka.",
        "",
        "| store | bare loop, events/s | sink alone | deliverer | sink to bare | deliverer to bare |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {s['store']} | {s['bare_per_second']:,} | {s['sink_per_second']:,} | {s['deliverer_per_second']:,} | "
        f"{s['ratio_sink']} | {s['ratio_deliverer']} |"
        for s in found["stores"]
    ]
    return "\n".join([*lines, ""])


def _snapshot(found: dict[str, Any]) -> str:
    lines = [
        f"## A new grant beside live load ({_machine(found)}, {found['records']:,} records of history, "
        f"at most {found['history_rate']:,} a second, {found['live_events_per_second']} events/s live)",
        "",
        f"Caught up after {found['seconds']} s ({found['records_per_second']:,} records/s); "
        f"{found['received']:,} of {found['published']:,} events in its topic. Milliseconds from publish acknowledged to "
        "released, under the other grant:",
        "",
        "| new grant | p50 | p99 | max |",
        "| --- | --- | --- | --- |",
    ]
    for name, key in (("none", "others_ms_without"), ("catching up", "others_ms_with")):
        lines.append(f"| {name} | {found[key]['p50']} | {found[key]['p99']} | {found[key]['max']} |")
    return "\n".join([*lines, ""])


def _revocation(found: dict[str, Any]) -> str:
    lines = [
        f"## Revocation ({_machine(found)}, {found['events_per_second']:,} events/s, {found['repetitions']} repetitions, "
        f"{found['protocol']}, load average {found['load_average']['p50']})",
        "",
        "Milliseconds from before the command that ends a grant to the last record its subscriber gets.",
        "",
        "| ended | way | p50 | p99 | max | within 1 s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {w['ended']} | {w['way']} | {w['p50']} | {w['p99']} | {w['max']} | {w['within_1_s']} |"
        for w in found["last_record_ms"]
    ]
    first = found["grant_to_first_record_ms"][0]
    lines += ["", f"Grant to first record: p50 {first['p50']} ms, p99 {first['p99']} ms, max {first['max']} ms."]
    return "\n".join([*lines, f"Records past a fence: {found['records_past_fence']}.", ""])


def _control_plane(found: dict[str, Any]) -> str:
    register, bulk = found["register"], found["approvals"]
    lines = [
        f"## Control plane ({_machine(found)})",
        "",
        f"{register['entries']:,} entries of directory and catalogue are put in one `bus apply` in {register['put_s']} s and read "
        f"back from the log in {register['read_back_s']} s. A search takes {register['search_ms']['p50']} ms (max "
        f"{register['search_ms']['max']}), {register['from_log_ms']['p50']} ms (max {register['from_log_ms']['max']}) if the log "
        "is asked for news first.",
        "",
        f"{bulk['grants']:,} grants of one application: its provider approves them in one act in {bulk['approve_s']} s; they are in "
        f"force, with their topics and schemas, {bulk['grant_s']} s later.",
        "",
        "| resources | grants | read from the beginning, s | memory, MiB | time to linear | memory to linear |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {r['resources']:,} | {r['grants']:,} | {r['seconds']} | {r['memory_mib']} | {r['growth_to_linear']} | "
        f"{r['memory_to_linear']} |"
        for r in found["reading"]
    ]
    lines += [
        "",
        f"With {found['resources']:,} live resources and {found['grants']:,} grants the exchange starts in "
        f"{found['exchange_start_s']} s and takes {found['exchange_memory_mib']} MiB. Longest wait for release of events "
        "around a grant change (ms):",
        "",
        "| change | times | others, p50 | others, max | without a change, p50 | without, max | pause, p50 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {c['change']} | {c['count']} | {c['others_wait_ms_p50']} | {c['others_wait_ms_max']} | "
        f"{c['without_change_ms_p50']} | {c['without_change_ms_max']} | {c['pause_ms_p50']} |"
        for c in found["changes"]
    ]
    return "\n".join([*lines, ""])


def _recovery(found: dict[str, Any]) -> str:
    lines = [
        f"## Recovery ({_machine(found)}, {found['events_per_second']} events/s, load average {found['load_average']})",
        "",
        "Seconds from a `kill -9` in which nothing new appeared in the subscriber's SQLite file (the longest pause until all that "
        "fell due in the five seconds after it was there). A broker is killed for what it leads or coordinates.",
        "",
        "| lost | p50 | max | goal | within it |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {r['lost']} | {r['p50_s']} | {r['max_s']} | {r['goal_s']:g} | {r['within_goal']} |"
        for r in found["silence_s"]
    ]
    counts = "; ".join(
        f"{c['expected']:,} published, {c['lost']} lost, {c['twice']} twice, {c['disordered']} out of order per key"
        for c in found["counts"]
    )
    return "\n".join([*lines, "", f"Counted in the grant's topic and in the file: {counts}.", ""])


def _machine(found: dict[str, Any]) -> str:
    size = found["machine"]
    return f"{size['cores']} cores, {size['memory_gib']} GiB, {size['system']}, Python {size['python']}"
