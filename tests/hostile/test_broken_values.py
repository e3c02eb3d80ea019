"""Every prefix and every flipped bit of the golden records either decodes to what can be written again or is bad, and both
codecs say the same of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import Codec, Decoded, codec_for, rows
from schemas.codec.rows import RowCodec
from tests.kit.memory import little_memory

GOLDEN = Path(__file__).parent.parent / "schemas" / "golden"
CASES = sorted(path.stem for path in GOLDEN.glob("*.json"))
ID = 258

__all__ = ["little_memory"]


def golden(case: str) -> tuple[dict[str, Any], list[bytes]]:
    content = json.loads((GOLDEN / f"{case}.json").read_text())
    return content["schema"], [bytes.fromhex(v) for v in content["values"]]


def prefixes(value: bytes) -> Iterator[bytes]:
    return (value[:n] for n in range(len(value)))


def flips(value: bytes) -> Iterator[bytes]:
    for at in range(len(value)):
        for bit in range(8):
            yield value[:at] + bytes([value[at] ^ 1 << bit]) + value[at + 1 :]


def verdicts(decoded: Decoded, count: int) -> list[str]:
    """For each value `ok`, or why it is bad; each exactly once."""
    found = dict.fromkeys(decoded.rows.tolist(), "ok") | {b.position: b.reason.value for b in decoded.bad}
    assert len(decoded.rows) + len(decoded.bad) == len(found) == count
    assert len(decoded.batch) == len(decoded.rows)
    return [found[n] for n in range(count)]


def read_again(codec: Codec, decoded: Decoded) -> None:
    """What decoded can be written, and is the same when it is read again."""
    again = codec.decode(codec.encode(decoded.batch))
    assert not again.bad
    assert repr(rows(again.batch)) == repr(rows(decoded.batch))


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("broken", [prefixes, flips])
@pytest.mark.parametrize("case", CASES)
def test_a_broken_record_is_bad_or_can_be_written_again_and_both_codecs_agree(case: str, broken: Any) -> None:
    schema, values = golden(case)
    given = [b for value in values for b in broken(value)]
    fast, slow = codec_for(schema, ID), RowCodec(schema, ID)
    by_columns, by_rows = fast.decode(given), slow.decode(given)
    told = verdicts(by_columns, len(given))
    assert told == verdicts(by_rows, len(given))
    assert repr(rows(by_columns.batch)) == repr(rows(by_rows.batch))
    assert "ok" not in told if broken is prefixes else len(set(told)) > 3
    for codec, decoded in ((fast, by_columns), (slow, by_rows)):
        read_again(codec, decoded)


@pytest.mark.parametrize("case", CASES)
def test_each_broken_record_gets_alone_the_verdict_it_gets_among_others(case: str) -> None:
    schema, values = golden(case)
    given = [b for value in values for broken in (prefixes, flips) for b in list(broken(value))[::7]]
    for codec in (codec_for(schema, ID), RowCodec(schema, ID)):
        together = verdicts(codec.decode(given), len(given))
        assert [verdicts(codec.decode([v]), 1)[0] for v in given] == together
