"""Each fuzz target runs some hundred cases with every test run, and a fault planted in one is found, shrunk and replayed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.fuzz.finding import crash_of, failure_of
from tests.fuzz.run import Fuzzer, Tally, dice_of
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

CASES = 200
SEED = 20261124


def run(name: str, target: Target, folder: Path, cases: int, seed: int = SEED) -> Tally:
    """Some cases of one target."""
    [tally] = Fuzzer({name: target}, seed, folder, lambda _line: None).run(cases=cases)
    assert tally.cases == cases
    return tally


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TARGETS)
def test_some_hundred_cases_of_each_target_find_nothing(name: str, tmp_path: Path) -> None:
    tally = run(name, TARGETS[name], tmp_path, CASES)
    assert not tally.findings, [path.read_text() for path in tally.findings.values()]
    assert tally.accepted > CASES // 20, "hardly any case gets past the door"


@pytest.mark.parametrize("name", TARGETS)
def test_a_case_is_the_same_whatever_ran_before_it(name: str) -> None:
    one, other = (TARGETS[name].case(dice_of(SEED, name, 7)) for _ in range(2))
    assert json.dumps(one) == json.dumps(other)


class Planted:
    """Fails for every text that holds `x` and `y`."""

    def case(self, dice: Random) -> Any:
        """Some letters."""
        return {"text": "".join(dice.choice("abcxyz") for _ in range(12)), "other": [1, 2, {"deep": "abc"}]}

    def check(self, case: Any) -> bool:
        """The planted fault."""
        assert not {"x", "y"} <= set(case["text"]), "x meets y"
        return True


def test_a_planted_fault_is_found_once_shrunk_and_seen_again(tmp_path: Path) -> None:
    tally = run("planted", Planted(), tmp_path, 50, seed=1)
    [path] = tally.findings.values()
    finding = json.loads(path.read_text())
    assert set(finding["case"]) == {"text"}
    assert sorted(finding["case"]["text"]) == ["x", "y"]
    assert finding["fault"].startswith("AssertionError")
    assert finding["replay"] == f"python -m tests.fuzz --replay {path}"
    assert failure_of(Planted(), finding["case"]) == finding["fault"]
    assert failure_of(Planted(), Planted().case(dice_of(1, "planted", finding["number"]))) == finding["fault"]


class Crashing(Planted):
    """Crashes where native code would."""

    def check(self, case: Any) -> bool:
        """The planted crash."""
        if case["text"] == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().check(case)


@pytest.mark.filterwarnings("ignore:.*fork.*")
def test_a_crash_of_native_code_is_a_finding_and_not_the_end_of_whoever_asks() -> None:
    assert crash_of(Crashing(), {"text": "crash"}) == "the process ended by SIGKILL"
    assert crash_of(Crashing(), {"text": "abc"}) is None
    assert crash_of(Crashing(), {"text": "xy"}) is None
