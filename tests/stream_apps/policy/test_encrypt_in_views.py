"""`encrypt` and `generalise` at work in a view: what is emitted, what is unchanged, what is withheld."""

from __future__ import annotations

from typing import Any

from schemas.sealed import SealKey, open_value
from stream_apps.policy import Outcome, ViewKeys
from tests.stream_apps.policy.test_transitions import IN, KEYS, evaluated, event, row, view

SHARED = KEYS.seal()
SEAL_KEYS = {k.id: k for k in (SealKey(SHARED.version, SHARED.key, SHARED.suite),)}


def size_of(told: dict[str, Any], side: str = "after") -> Any:
    return open_value(told[side]["size"], grant=KEYS.grant, path="size", keys=SEAL_KEYS)


def test_an_encrypted_field_opens_and_an_update_that_does_not_change_it_is_not_told() -> None:
    compiled = view(size="encrypt", before=True)
    released = evaluated(
        compiled, event("c", None, IN), event("u", IN, IN), event("u", IN, row(1, 2.5)), event("d", row(1, 2.5), None)
    )
    assert released.outcome.tolist() == [Outcome.EMITTED, Outcome.UNCHANGED, Outcome.EMITTED, Outcome.EMITTED]
    created, updated, deleted = released.events.to_pylist()
    assert (size_of(created), size_of(updated, "before"), size_of(updated)) == (1.0, 1.0, 2.5)
    assert created["after"]["size"] == updated["before"]["size"]
    assert deleted["before"]["size"] == updated["after"]["size"]


def test_a_replay_releases_the_same_bytes_and_another_grant_others() -> None:
    compiled, events = view(size="encrypt"), [event("c", None, row(1, 7.0, id_)) for id_ in ("a", "b")]
    for e, id_ in zip(events, ("a", "b"), strict=True):
        e["key"] = {"id": id_}
    first, again = (evaluated(compiled, *events).events.to_pylist() for _ in range(2))
    assert first == again
    assert first[0]["after"]["size"] != first[1]["after"]["size"]
    other = ViewKeys(b"p" * 32, "another")
    assert other.seal().key != KEYS.seal().key and other.seal_nonces().key != KEYS.seal_nonces().key


def test_a_null_stays_null_and_of_a_row_that_moved_the_old_key_is_deleted() -> None:
    compiled = view(size="encrypt")
    released = evaluated(compiled, event("c", None, row(1, None)), event("u", IN, row(1, 1.0, "b"), key="b"))
    null, gone, moved = released.events.to_pylist()
    assert (null["after"]["size"], gone["op"], moved["op"]) == (None, "d", "c")
    assert size_of(moved) == 1.0


def test_an_update_within_one_step_is_not_told_and_a_value_out_of_range_is_withheld() -> None:
    compiled = view(size={"mask": "generalise", "to": "grid", "step": 0.01})
    near, far, beyond = row(1, 26.6578), row(1, 26.6599), row(1, 500.0)
    released = evaluated(compiled, event("u", near, far), event("u", near, row(1, 26.66)), event("u", near, beyond))
    assert released.outcome.tolist() == [Outcome.UNCHANGED, Outcome.EMITTED, Outcome.FAILED]
    moved, gone = released.events.to_pylist()
    assert (moved["after"]["size"], gone["op"], gone["after"]) == (26.66, "d", None)
