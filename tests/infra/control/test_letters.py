"""Dead letters of real faults on a real exchange: mended, judged once more, and skipped where the key has moved on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.control.letters.explain import LetterExplained, explain_letter
from infra.control.letters.ordering import order_retry
from infra.control.letters.reading import Chosen, DeadLetter, counts, letters
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from tests.conftest import Cluster
from tests.infra.bus.command import bus
from tests.kit.exchange_lab import Lab, row, within, worker
from tests.kit.stranger import Stranger


@pytest.fixture(scope="module")
def running(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """One worker for all tests here."""
    settings = cluster.settings
    with worker(settings, tmp_path_factory.mktemp("worker") / "log"):
        yield settings


@pytest.fixture
def lab(running: Settings, unique: str) -> Lab:
    made = Lab(running, unique)
    made.apply()
    return made


def of(lab: Lab) -> list[DeadLetter]:
    return letters(lab.settings, Chosen(resource=lab.resource))


def states(lab: Lab) -> dict[int, str]:
    return {one.offset: one.state for one in of(lab)}


def told(lab: Lab, offset: int) -> LetterExplained:
    (found,) = explain_letter(lab.settings, lab.resource, 0, offset, now_ms=int(time.time() * 1000))
    return found


def retried(lab: Lab) -> dict[int, str]:
    """Order all that wait, and what became of them."""
    order_retry(lab.settings, [one for one in of(lab) if one.waits])
    within(30, lambda: "ordered" not in states(lab).values())
    return states(lab)


def table(lab: Lab, n: int = 1) -> dict[str, Any]:
    """What a subscriber's table holds after everything released."""
    out: dict[str, Any] = {}
    for key, event in lab.released(n):
        if event is None or event["op"] == "d":
            out.pop(key.decode(), None)
        else:
            out[key.decode()] = event["after"]["name"]
    return out


def test_what_was_mended_is_released_and_what_a_later_record_follows_is_skipped(lab: Lab) -> None:
    stranger = Stranger(lab)
    lab.open(1)
    lab.publish([("c", None, row(1))])
    stranger.publish(2, 3)
    lab.publish([("c", None, row(3, name="李四"))])
    lab.settled()
    assert (states(lab), table(lab)) == ({1: "open", 2: "open"}, {"k1": "张*", "k3": "李*"})
    before = told(lab, 1)
    assert (before.moved_on, before.succeeds, before.letter.reason) == (False, False, "unknown_schema")
    assert (told(lab, 2).moved_on, told(lab, 2).succeeds) == (True, False)
    stranger.mend()
    assert told(lab, 1).succeeds
    assert retried(lab) == {1: "retried", 2: "moved_on"}
    assert table(lab) == {"k1": "张*", "k2": "张*", "k3": "李*"}
    lab.publish([("u", row(2), row(2, name="王五"))])
    lab.settled()
    assert table(lab)["k2"] == "王*"


def test_what_is_not_mended_fails_again_and_leaves_another_letter(lab: Lab) -> None:
    lab.open(1)
    lab.write([(b"k1", b"junk")])
    lab.settled()
    assert retried(lab) == {0: "failed"}
    (found,) = of(lab)
    assert (found.times, found.waits, found.reason) == (2, True, "not_framed")
    assert [(c.reason, c.grant, c.letters, c.waiting) for c in counts(of(lab))] == [("not_framed", None, 1, 1)]


def test_a_letter_of_one_grant_is_retried_for_it_alone(lab: Lab) -> None:
    lab.open(1)
    lab.open(2, where="district = 'a'")
    lab.publish([("c", None, row(1)), ("u", None, row(1, amount=5))])  # no before: the filter cannot be computed
    lab.settled()
    assert {(one.grant, one.reason) for one in of(lab)} <= {
        (f"{lab.word}.g.2", "missing_before"),
        (None, "inconsistent"),
    }
    released = len(lab.released(1))
    retried(lab)
    assert len(lab.released(1)) == released


def test_the_newest_record_is_never_overtaken_by_a_retry(lab: Lab) -> None:
    """Retries and live records of the same keys, at the same time: the table ends as the newest record says."""
    stranger = Stranger(lab)
    lab.open(1)
    stranger.publish(*range(50))
    lab.settled()
    stranger.mend()
    order_retry(lab.settings, of(lab))
    for i in range(0, 50, 2):
        lab.publish([("c", None, row(i, name="李四"))])
    within(30, lambda: "ordered" not in states(lab).values())
    lab.settled()
    assert table(lab) == {f"k{i}": "张*" if i % 2 else "李*" for i in range(50)}
    assert set(states(lab).values()) <= {"retried", "moved_on"}


def test_the_command_lists_explains_and_retries(lab: Lab, tmp_path: Path) -> None:
    settings = lab.settings
    environ = {
        "BUS_BOOTSTRAP_SERVERS": str(settings.bootstrap_servers),
        "BUS_REGISTRY_URL": str(settings.registry_url),
        "BUS_KEY_FILE": str(settings.key_file),
    }

    def run(*arguments: object) -> Any:
        done = bus("dead-letters", *arguments, home=tmp_path, **environ)
        assert done.returncode == 0, done.stderr
        return done.stdout

    stranger = Stranger(lab)
    lab.open(1)
    stranger.publish(1, name="秘密")
    lab.settled()
    listed = json.loads(run("list", "--resource", lab.resource, "--json"))
    assert [(c["reason"], c["letters"]) for c in listed["counts"]] == [("unknown_schema", 1)]
    said = run("explain", lab.resource, 0, 0, "--lang", "zh")
    assert "模式编号未登记" in said
    assert "秘密" not in said
    stranger.mend()
    refused = bus("dead-letters", "retry", "--resource", lab.resource, home=tmp_path, **environ)
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    done = json.loads(run("retry", "--resource", lab.resource, "--at", "0:0", "--yes", "--json"))
    assert [one["state"] for one in done["letters"]] == ["retried"]
    assert "retried" in run("list", "--resource", lab.resource)


def test_a_record_that_left_no_letter_is_told(lab: Lab) -> None:
    with pytest.raises(ConfigError, match="left no dead letter"):
        told(lab, 7)
