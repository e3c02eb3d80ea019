"""`python -m tests.chaos --minutes 10 --seed 1`: a city under faults, and its ledger. Exit code 1 if anything was lost, doubled, out of
order or cannot be explained."""

from __future__ import annotations

import argparse
import json
import secrets
import signal
import sys
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.chaos.cast import CITY
from tests.chaos.faults import FAULTS
from tests.chaos.lab import Lab, lab
from tests.chaos.ledger import Ledger
from tests.chaos.run import Run

_LAST = 5


def main() -> int:
    """Read the command line, run, and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long faults are inflicted")
    parser.add_argument("--seed", type=int, help="of load and faults; by default a new one, which is shown")
    parser.add_argument("--fault", action="append", choices=sorted(FAULTS), help="only this one (may be repeated)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write ledger and faults there")
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="keep the processes' logs there")
    given = parser.parse_args()
    seed = secrets.randbelow(1 << 31) if given.seed is None else given.seed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C: everything is ended on the way out
    console = Console(width=150 if not sys.stdout.isatty() else None)
    console.print(f"seed {seed}, {given.minutes:g} minutes; starting the city")
    try:
        with lab(seed, CITY, logs=given.logs) as city:
            return _run(city, given, seed, console)
    except KeyboardInterrupt:
        return 130


def _run(city: Lab, given: argparse.Namespace, seed: int, console: Console) -> int:
    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("warming up", total=given.minutes * 60)

        def say(text: str) -> None:
            progress.update(task, completed=run.now, description=text)
            if not console.is_terminal:
                console.print(f"{run.now:7.1f} s  {text}")

        run = Run(city, Random(f"faults:{seed}"), say)
        run.inflict([])  # nothing yet: everything must flow before it is harmed
        run.for_minutes(given.minutes, given.fault or sorted(FAULTS))
        say("counting")
        found = run.count()
    _show(console, run, found)
    if given.json:
        facts = {"seed": seed, "minutes": given.minutes} | run.facts() | found.facts()
        given.json.write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")
    if found.clean:
        return 0
    console.print(f"run it again: python -m tests.chaos --minutes {given.minutes:g} --seed {seed}", style="bold red")
    for blow in run.blows[-_LAST:]:
        console.print(f"  {blow.began:7.1f}-{blow.ended:.1f} s  {blow.name}")
    return 1


def _show(console: Console, run: Run, found: Ledger) -> None:
    faults = Table(title="faults")
    for heading in ("fault", "times", "all sinks received again after, longest"):
        faults.add_column(heading)
    by_name: dict[str, list[float | None]] = defaultdict(list)
    for blow in run.blows:
        by_name[blow.name].append(blow.recovered_s)
    for name, times in sorted(by_name.items()):
        known = [t for t in times if t is not None]
        longest = f"{max(known):.1f} s" if len(known) == len(times) else "not at all"
        faults.add_row(name, str(len(times)), longest)
    ledger = Table(title="ledger")
    for heading in ("what", "due", "found", "lost", "duplicated", "out of order", "wrong rows"):
        ledger.add_column(heading, justify="left" if heading == "what" else "right")
    for line in found.lines:
        cells: list[Any] = [line.due, line.found, line.lost, line.duplicated, line.out_of_order, line.wrong_rows]
        ledger.add_row(line.what, *map(str, cells), style=None if line.clean else "bold red")
    console.print(faults, ledger)
    for line in found.lines:
        for example in line.examples:
            console.print(f"{line.what}: {example}", style="red")
    for text in found.unexplained:
        console.print(f"unexplained: {text}", style="bold red")
    console.print("nothing lost, doubled or out of order" if found.clean else "THE LEDGER IS NOT CLEAN")


if __name__ == "__main__":
    sys.exit(main())
