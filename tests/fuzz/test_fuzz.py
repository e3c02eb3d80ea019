"""Each fuzz target runs some hundred cases with every test run, and a fault planted in one is found, shrunk and replayed."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.fuzz.run import dice_of, failure_of, fuzz
from tests.fuzz.targets import TARGETS

CASES = 200
SEED = 20261124


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TARGETS)
def test_some_hundred_cases_of_each_target_find_nothing(name: str, tmp_path: Path) -> None:
    said: list[str] = []
    tally = fuzz({name: TARGETS[name]}, SEED, tmp_path, cases=CASES, say=said.append)[name]
    assert tally.cases == CASES
    assert not tally.findings, said
    assert tally.accepted > CASES // 20, "hardly any case gets past the door"
    assert tally.accepted < CASES, "no case is refused"


@pytest.mark.parametrize("name", TARGETS)
def test_a_case_is_the_same_whatever_ran_before_it(name: str) -> None:
    one, other = (TARGETS[name].case(dice_of(SEED, name, 7)) for _ in range(2))
    assert json.dumps(one) == json.dumps(other)


class Planted:
    """Fails for every text that holds `x` and `y`, and for one that takes for ever."""

    def case(self, dice: Random) -> Any:
        """Some letters."""
        return {"text": "".join(dice.choice("abcxyz") for _ in range(12)), "other": [1, 2, {"deep": "abc"}]}

    def check(self, case: Any) -> bool:
        """The planted fault."""
        assert not {"x", "y"} <= set(case["text"]), "x meets y"
        return True


def test_a_planted_fault_is_found_once_shrunk_and_seen_again(tmp_path: Path) -> None:
    tally = fuzz({"planted": Planted()}, 1, tmp_path, cases=50, say=lambda _line: None)["planted"]
    assert tally.cases == 50
    [path] = tally.findings.values()
    finding = json.loads(path.read_text())
    assert set(finding["case"]) == {"text"}
    assert sorted(finding["case"]["text"]) == ["x", "y"]
    assert "x meets y" in finding["fault"]
    assert finding["replay"] == f"python -m tests.fuzz --replay {path}"
    assert failure_of(Planted(), finding["case"]) == finding["fault"]
    assert failure_of(Planted(), Planted().case(dice_of(1, "planted", finding["number"]))) == finding["fault"]
