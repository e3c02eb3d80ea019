"""Mutation testing of `stream_apps/policy`: mutmut changes one thing at a time, the policy's tests have to notice.

    python -m tests.mutation --sample 600 --seed 1 [--only judge evaluate …] [--json FILE]

The whole set takes hours on two cores, so a seeded sample of it is run; the score is that of the sample, with the interval
in which the whole set's lies (95 %, Wilson). Wording is left out: lines that hold nothing but the text of a message are
not mutated. Needs mutmut, which asks for another `click` than Faust does: `make mutants` makes an environment of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".bus" / "mutants"
_WORDING = (r"^\s*f?\"[^\"]*\",?$", r"[\u4e00-\u9fff]", r"^\s*(Text|_refuse|place\.refuse)\(f?\".*\",?$")
_SETUP = """[mutmut]
source_paths=stream_apps/policy
also_copy=
    schemas
    infra
    producers
    consumers
    stream_apps
    tests
    pyproject.toml
pytest_add_cli_args=
    -p
    no:cacheprovider
    --hypothesis-seed=1
pytest_add_cli_args_test_selection=tests/stream_apps/policy
do_not_mutate_patterns=
"""
UNNOTICED = frozenset({0, 5, 33, 34})
"""mutmut's codes for: the tests passed, found nothing to run, do not reach the place, were skipped. Any other is a failure,
a time-out or a crash, which is a notice too."""


def main(arguments: Sequence[str]) -> int:
    """Run the sample and print the score; 1 if it is below nine tenths."""
    asked = _arguments(arguments)
    _copy()
    _mutmut("stream_apps.policy.released.x_nothing__mutmut_1")  # makes all mutants, runs one
    names = sorted(_codes())
    if asked.only:
        names = [n for n in names if any(f".{part}." in n for part in asked.only)]
    chosen = random.Random(asked.seed).sample(names, min(asked.sample, len(names)))
    for start in range(0, len(chosen), 100):
        _mutmut(*chosen[start : start + 100])
        done = [_codes()[n] for n in chosen[: start + 100]]
        sys.stderr.write(f"{len(done)} of {len(chosen)}: {sum(c not in UNNOTICED for c in done)} noticed\n")
    return _report({n: _codes()[n] for n in chosen}, len(names), asked.seed, asked.json)


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="modules, such as judge or masks.partial")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(arguments)


def _copy() -> None:
    """The tracked files as they are now, apart from the checkout: mutants are written beside them."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True, mode=0o700)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (WORK / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, WORK / name)
    (WORK / "setup.cfg").write_text(_SETUP + "".join(f"    {p}\n" for p in _WORDING))


def _mutmut(*names: str) -> None:
    with (WORK / "mutmut.log").open("ab") as log:
        subprocess.run([sys.executable, "-m", "mutmut", "run", *names], cwd=WORK, stdout=log, stderr=log, check=False)


def _codes() -> dict[str, int | None]:
    """The exit code of the tests for every mutant there is; None where they were not run."""
    return {name: code for found in _results() for name, code in found["exit_code_by_key"].items()}


def _results() -> Iterator[dict[str, dict[str, int | None]]]:
    for path in (WORK / "mutants" / "stream_apps" / "policy").rglob("*.meta"):
        yield json.loads(path.read_text())


def _report(codes: dict[str, int | None], there: int, seed: int, file: Path | None) -> int:
    run = {name: code for name, code in codes.items() if code is not None}
    if not run:
        sys.stderr.write(f"no mutant was run; see {WORK / 'mutmut.log'}\n")
        return 2
    survivors = sorted(name for name, code in run.items() if code in UNNOTICED)
    low, high = _wilson(len(run) - len(survivors), len(run))
    score = 1 - len(survivors) / len(run)
    by_module = Counter(name.rsplit(".", 1)[0] for name in survivors)
    for name in survivors:
        sys.stdout.write(f"survived: {name}\n")
    for module, count in by_module.most_common():
        sys.stdout.write(f"{count:4} in {module}\n")
    sys.stdout.write(
        f"{len(run)} of {there} mutants (seed {seed}): {score:.1%} noticed; of all, {low:.1%} to {high:.1%}\n"
        f"to see one: cd {WORK.relative_to(ROOT)} && python -m mutmut show NAME\n"
    )
    if file is not None:
        found = {"score": round(score, 4), "interval": [round(low, 4), round(high, 4)], "run": len(run)}
        file.write_text(json.dumps(found | {"mutants": there, "seed": seed, "survivors": survivors}, indent=2) + "\n")
    return 0 if score >= 0.9 else 1


def _wilson(noticed: int, run: int) -> tuple[float, float]:
    """Wilson's interval (1927) of a share, at 95 %."""
    z, p = 1.96, noticed / run
    middle, spread = p + z * z / (2 * run), z * math.sqrt(p * (1 - p) / run + z * z / (4 * run * run))
    return (middle - spread) / (1 + z * z / run), (middle + spread) / (1 + z * z / run)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
