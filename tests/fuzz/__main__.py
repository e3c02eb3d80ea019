"""`python -m tests.fuzz --minutes 10 --seed 1`: fuzz, or see one finding again. Exit code 1 if anything was found."""

from __future__ import annotations

import argparse
import json
import logging
import secrets
import sys
import warnings
from pathlib import Path

from tests.fuzz.run import failure_of, faults, fuzz
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long, all targets together")
    parser.add_argument("--seed", type=int, default=None, help="of all cases; by default a new one, which is shown")
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="only this one (may be repeated)")
    parser.add_argument("--folder", type=Path, default=Path(".bus/fuzz"), help="where findings are written")
    parser.add_argument("--replay", type=Path, help="a finding to see again")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    if given.replay:
        return _replay(given.replay)
    seed = secrets.randbelow(1 << 31) if given.seed is None else given.seed
    chosen = {name: TARGETS[name] for name in given.target or TARGETS}
    print(f"seed {seed}; {', '.join(chosen)}; {given.minutes:g} minutes", flush=True)
    try:
        tallies = fuzz(chosen, seed, given.folder, seconds=given.minutes * 60, say=lambda line: print(line, flush=True))
    except KeyboardInterrupt:
        return 130
    found = faults(tallies.values())
    for name, tally in tallies.items():
        print(tally.line(name))
    print("nothing found" if not found else "found:\n" + "\n".join(map(str, found)))
    return 1 if found else 0


def _replay(path: Path) -> int:
    finding = json.loads(path.read_text())
    target = TARGETS[finding["target"]]
    fault = failure_of(target, finding["case"])
    print(f"was: {finding['fault']}\nis:  {fault}")
    if fault is not None:
        target.check(finding["case"])  # its traceback
    return 0


if __name__ == "__main__":
    sys.exit(main())
