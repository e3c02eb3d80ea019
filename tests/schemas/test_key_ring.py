"""The key ring: what is one, what is none and why, and that no message ever shows a key."""

from __future__ import annotations

import datetime as dt
import re
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigError
from schemas.key_ring import AnnouncedKey, KeyRing, MasterSecret
from schemas.key_ring_file import parse_ring, ring_text

A, B = "a1" * 32, "b2" * 32
DAY = dt.date(2027, 3, 31)
LONG = f"""\
kind: KeyRing
current: 2
keys:
  1: {{key: {A}, suite: sha256, until: 2027-03-31}}
  2: {{key: {B}, suite: sm3}}
"""


def test_both_forms_give_the_ring_they_show() -> None:
    assert parse_ring(A + "\n", "k") == KeyRing({1: MasterSecret(1, bytes.fromhex(A))}, 1)
    ring = parse_ring(LONG, "k")
    assert ring.secrets == {
        1: MasterSecret(1, bytes.fromhex(A), "sha256", DAY),
        2: MasterSecret(2, bytes.fromhex(B), "sm3"),
    }
    assert (ring.current, ring.newest, ring.origin) == (2, 2, "k")
    before = ring.before(2)
    assert before is not None and before.version == 1


@given(
    st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=5, unique=True),
    st.integers(0, 4),
    st.lists(st.tuples(st.sampled_from(["sha256", "sm3"]), st.dates()), min_size=5, max_size=5),
)
def test_what_is_written_is_read_back(secrets: list[bytes], at: int, more: list[tuple[str, dt.date]]) -> None:
    current = min(at, len(secrets) - 1) + 1
    made = {
        n: MasterSecret(n, secret, suite, until if n < current else None)  # type: ignore[arg-type]
        for n, (secret, (suite, until)) in enumerate(zip(secrets, more, strict=False), 1)
    }
    ring = KeyRing(made, current)
    assert parse_ring(ring_text(ring), "k") == ring


WRONG = [
    ("", "k", "0 bytes"),
    (A[:-2], "k", "31 bytes"),
    (A[:-1], "k", "not hexadecimal"),
    ("zz" * 32, "k", "not hexadecimal"),
    (A + "\n" + B, "k", "not hexadecimal"),
    ("kind: KeyRing", "k: current", "missing"),
    (LONG.replace("KeyRing", "Ring"), "k: kind", "not KeyRing"),
    (LONG.replace("current: 2", "current: two"), "k: current", "whole number"),
    (LONG.replace("current: 2", "current: 3"), "k: current", "no key of version 3"),
    (LONG.replace("current: 2", "current: true"), "k: current", "whole number"),
    (LONG.replace("current: 2", "current: 1"), "k: keys.1.until", "no end"),
    (LONG.replace("  1:", "  0:"), "k: keys", "whole number"),
    (LONG.replace("  1:", f"  {A}:"), "k: keys", "whole number"),
    (LONG.replace("  1:", f"  {'1' * 64}:"), "k:4:3", "not valid YAML"),
    (LONG.replace(", until: 2027-03-31", ""), "k: keys.1.until", "until when"),
    (LONG.replace("2027-03-31", "soon"), "k: keys.1.until", "not a day"),
    (LONG.replace("2027-03-31", "2027-03-31 10:00:00"), "k: keys.1.until", "not a day"),
    (LONG.replace("2027-03-31", "2027-02-31"), "k", "not valid YAML"),
    (LONG.replace("sm3", "md5"), "k: keys.2.suite", "neither sha256 nor sm3"),
    (LONG.replace("suite: sm3", "suit: sm3"), "k: keys.2", "1 unknown keys"),
    (LONG.replace(f"key: {B}", f"{B}: key"), "k: keys.2", "unknown keys"),
    (LONG.replace(f"key: {B}, ", ""), "k: keys.2.key", "missing"),
    (LONG.replace(B, B[:-2]), "k: keys.2.key", "31 bytes"),
    (LONG.replace(B, "1" * 64), "k:5:12", "not valid YAML"),
    (LONG.replace(B, A), "k: keys.2.key", "no rotation"),
    (LONG.replace(f"{{key: {B}, suite: sm3}}", B), "k: keys.2", "not a mapping"),
    (LONG + f"{A}: {B}\n", "k", "1 unknown keys"),
    (LONG + f"  {A}: x\n  {A}: y\n", "k:", "not valid YAML"),
    (LONG + f"：{A}\n", "k:", "not valid YAML"),
    (f"keys: {{1: {{key: {A}", "k:", "not valid YAML"),
    (LONG + "---\n" + LONG, "k", "2 documents"),
    ("- kind: KeyRing", "k", "not a mapping"),
    (f"kind: KeyRing\ncurrent: 1\nkeys: {A}", "k: keys", "not a mapping"),
]


@pytest.mark.parametrize(("text", "where", "reason"), WRONG, ids=[f"{i}-{w[2]}" for i, w in enumerate(WRONG)])
def test_anything_else_is_refused_with_place_and_reason_and_without_the_key(text: str, where: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_ring(text, "k")
    error = caught.value
    assert error.where is not None and error.where.startswith(where)
    assert reason in error.what.en
    told = "".join(traceback.format_exception(error)) + error.message("zh")
    assert not re.search("(?i)a1a1a1|b2b2b2|1111", told)


def test_nothing_printable_about_a_ring_reveals_its_keys() -> None:
    ring = parse_ring(LONG, "k")
    for shown in (repr(ring), str(ring), f"{ring}", *(s.fingerprint for s in ring.secrets.values())):
        assert not re.search("a1a1|b2b2|xa1|xb2", shown)


def test_a_fingerprint_differs_with_version_secret_and_suite() -> None:
    secret = bytes(32)
    made = [
        MasterSecret(1, secret),
        MasterSecret(2, secret),
        MasterSecret(1, secret, "sm3"),
        MasterSecret(1, b"x" * 32),
    ]
    assert len({m.fingerprint for m in made}) == 4
    assert MasterSecret(1, secret, until=DAY).fingerprint == made[0].fingerprint


def test_a_ring_is_held_to_what_was_announced() -> None:
    ring = parse_ring(LONG, "k")
    one, two = ring.secrets[1], ring.secrets[2]
    ring.verify({1: AnnouncedKey(1, "sha256", one.fingerprint), 3: AnnouncedKey(3, "sm3", "another")})
    for said in (AnnouncedKey(2, "sm3", one.fingerprint), AnnouncedKey(2, "sha256", two.fingerprint)):
        with pytest.raises(ConfigError) as caught:
            ring.verify({2: said})
        assert caught.value.where == "k"
        assert two.fingerprint in caught.value.what.en and said.fingerprint in caught.value.what.zh
        assert caught.value.hint is not None and "bus keys rotate" in caught.value.hint.en


def test_of_two_ends_of_a_version_the_earlier_one_holds() -> None:
    ring = parse_ring(LONG, "k")
    for said, holds in ((None, DAY), (DAY.replace(year=2026), DAY.replace(year=2026)), (DAY.replace(year=2028), DAY)):
        announced = {1: AnnouncedKey(1, "sha256", ring.secrets[1].fingerprint, said)}
        assert ring.bounded(announced).secrets[1].until == holds
    assert ring.bounded({2: AnnouncedKey(2, "sm3", "", DAY)}).secrets[2].until == DAY
