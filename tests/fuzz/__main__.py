"""`python -m tests.fuzz --minutes 10 --seed 1`: fuzz, or see one finding again. Exit code 1 if anything was found."""

from __future__ import annotations

import argparse
import json
import logging
import secrets
import subprocess
import sys
import time
import warnings
from pathlib import Path

from tests.fuzz.finding import Finding, Note, crash_of, failure_of
from tests.fuzz.run import Fuzzer
from tests.fuzz.shrink import smallest
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long, all targets together")
    parser.add_argument("--seed", type=int, help="of all cases; by default a new one, which is shown")
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="only this one (may be repeated)")
    parser.add_argument("--folder", type=Path, default=Path(".bus/fuzz"), help="where findings are written")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--replay", type=Path, help="a finding to see again")
    parser.add_argument("--here", action="store_true", help="in this process, which a crash of native code ends")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    if given.replay:
        return _replay(given.replay)
    seed = secrets.randbelow(1 << 31) if given.seed is None else given.seed
    try:
        if given.here:
            return _run(given, seed)
        print(f"seed {seed}, {given.minutes:g} minutes; findings go to {given.folder}", flush=True)
        return _guarded(given, seed)
    except KeyboardInterrupt:
        return 130


def _run(given: argparse.Namespace, seed: int) -> int:
    chosen = {name: TARGETS[name] for name in given.target or TARGETS}
    fuzzer = Fuzzer(chosen, seed, given.folder, lambda line: print(line, flush=True))
    tallies = fuzzer.run(seconds=given.minutes * 60, first=given.first)
    print("together:", *tallies, sep="\n  ")
    return 1 if any(t.findings for t in tallies) else 0


def _guarded(given: argparse.Namespace, seed: int) -> int:
    """Run in a process of its own; one that crashes leaves its last case, which is a finding, and another goes on."""
    until, first, code = time.monotonic() + given.minutes * 60, given.first, 0
    while (left := until - time.monotonic()) > 0:
        command = [sys.executable, "-m", "tests.fuzz", "--here", "--seed", str(seed), "--first", str(first)]
        command += ["--folder", str(given.folder), "--minutes", str(left / 60)]
        command += [word for name in given.target or () for word in ("--target", name)]
        ended = subprocess.run(command, check=False).returncode
        if ended >= 0:
            return max(code, ended)
        noted = Note.read(given.folder)
        target = TARGETS[noted["target"]]
        fault = crash_of(target, noted["case"]) or f"the process ended by signal {-ended}, but not of this case alone"
        small = smallest(noted["case"], lambda case, t=target, f=fault: crash_of(t, case) == f)  # type: ignore[misc]
        path = Finding(noted["target"], seed, noted["number"], fault, small).write(given.folder)
        print(f"FAULT in {noted['target']}: {fault}; see it again: python -m tests.fuzz --replay {path}", flush=True)
        first, code = noted["number"] + 1, 1
    return code


def _replay(path: Path) -> int:
    finding = json.loads(path.read_text())
    target = TARGETS[finding["target"]]
    fault = crash_of(target, finding["case"]) or failure_of(target, finding["case"])
    print(f"was: {finding['fault']}\nis:  {fault}", flush=True)
    if fault is not None:
        target.check(finding["case"])  # its traceback, or its crash
    return 0


if __name__ == "__main__":
    sys.exit(main())
