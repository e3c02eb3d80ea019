"""Characters that act on whoever reads them are refused in what people write, and made visible in what people are shown."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.bus import failures, output
from infra.bus.session import Session
from schemas.characters import ACTING, visible
from schemas.contract import parse_contract
from schemas.errors import ConfigError
from schemas.grant import parse_grant
from schemas.text import Text
from tests.schemas.contracts import avro_contract, grant_document

HOSTILE = {
    "escape": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "clear": "\x1b[2J\x1b[H",
    "eight-bit escape": "\x9b31m",
    "carriage return": "good\rbad!",
    "backspace": "secret\x08\x08",
    "NUL": "a\x00b",
    "delete": "a\x7fb",
    "right to left": "a\u202egrant.exe",
    "isolate": "a\u2067b\u2069",
    "mark": "a\u200fb",
    "zero width": "云\u200b岩",
    "line separator": "a\u2028b",
    "byte order mark": "a\ufeffb",
    "half a character": "a\ud800b",
    "tag": "a\U000e0041b",
}
HARMLESS = (
    "贵阳市云岩区",
    "[red]no markup[/red]",
    "👩\u200d👧",
    "葛\U000e0100城",
    "",
    "é e\u0301",
    "\ue000 private use",
    "a b",
)


def test_every_control_and_format_character_is_on_the_list_but_tab_line_feed_and_the_joiners() -> None:
    acting = {
        c for n in range(sys.maxunicode + 1) if unicodedata.category(c := chr(n)) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    }
    assert acting - {c for c in acting if ACTING.match(c)} == set("\t\n\u200c\u200d")
    assert not any(ACTING.search(text) for text in HARMLESS)


@given(st.text() | st.sampled_from(list(HOSTILE.values())))
@settings(deadline=None)
def test_made_visible_nothing_acts_and_nothing_plain_is_lost(text: str) -> None:
    shown = visible(text, one_line=True)
    assert shown.isascii() or not ACTING.search(shown)
    assert "\n" not in shown and "\t" not in shown
    assert visible(shown, one_line=True) == shown
    assert json.loads(output.as_json({"a": text})) == {"a": text}
    assert not ACTING.search(output.as_json({"a": text}))
    if not ACTING.search(text) and not set(text) & {"\n", "\t"}:
        assert shown == text


def with_text(place: str, text: str) -> Any:
    """A contract or grant that holds the text at the place."""
    if place.startswith("grant."):
        changes: dict[str, Any] = {place[6:]: text}
        if place == "grant.where":
            changes["where"] = f"id = '{text}'"
        if place == "grant.fields":
            changes["fields"] = {text: "pass"}
        if place == "grant.mask":
            changes = {"fields": {"id": {"mask": "partial", "keep_first": text}}}
        return grant_document(**changes)
    field: dict[str, Any] = {"name": "id", "type": "string"}
    deep = {
        "contract.doc": {"doc": text},
        "contract.title": {"resource": {"title": {"zh": text, "en": "t"}}},
        "contract.basis": {"resource": {"basis": text}},
        "contract.id": {"resource": {"id": text}},
        "contract.field_doc": {"fields": [{**field, "doc": text}]},
        "contract.rules": {"fields": [{**field, "rules": {"enum": ["a", text]}}]},
        "contract.rule_name": {"fields": [{**field, "rules": {text: 1}}]},
        "contract.mask": {"fields": [{**field, "masks": [text]}]},
        "contract.default": {"fields": [field, {"name": "d", "type": "string", "default": text}]},
        "contract.symbol": {"fields": [field, {"name": "d", "type": {"type": "enum", "name": "E", "symbols": [text]}}]},
        "contract.inner_doc": {
            "fields": [
                field,
                {
                    "name": "d",
                    "type": {"type": "record", "name": "R", "doc": text, "fields": [{"name": "x", "type": "int"}]},
                },
            ]
        },
    }
    return avro_contract(**deep[place])


PLACES = (
    "grant.id", "grant.subscriber", "grant.purpose", "grant.basis", "grant.where", "grant.fields", "grant.mask",
    "contract.doc", "contract.title", "contract.basis", "contract.id", "contract.field_doc", "contract.rules",
    "contract.rule_name", "contract.mask", "contract.default", "contract.symbol", "contract.inner_doc",
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_people_write_holds_no_acting_character(place: str, text: str) -> None:
    parse = parse_grant if place.startswith("grant.") else parse_contract
    with pytest.raises(ConfigError, match="cannot be seen, or acts on the screen") as refused:
        parse(with_text(place, text), "f")
    assert not ACTING.search(refused.value.message())
    assert refused.value.what.zh.startswith("含")


def test_lines_tabs_and_rare_characters_are_text() -> None:
    for text in (*HARMLESS[:-1], "two\nlines", "a\ttab"):
        parse_contract(avro_contract(doc=text))
        parse_grant(grant_document(purpose=text or "p"))


class Terminal(io.StringIO):
    """A place to write that says a person looks."""

    def isatty(self) -> bool:
        return True


SCREENS = pytest.mark.parametrize("screen", [Terminal(), io.StringIO()], ids=["terminal", "pipe"])


@contextmanager
def looking_at(screen: io.StringIO) -> Iterator[None]:
    """Everything written goes to an empty screen."""
    screen.seek(0)
    screen.truncate()
    with redirect_stdout(screen), redirect_stderr(screen):
        yield


OURS = re.compile(r"\x1b\[[0-9;]*m")
"""The colours a table's own headings may have."""


@SCREENS
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_of_the_data_acts_on_the_terminal(screen: io.StringIO, text: str) -> None:
    session, both = Session(), Text(text, text)
    with looking_at(screen):
        output.table([text], [[text], [f"two\nlines\t{text}"]])
        output.write(text)
        output.note(session, both)
        output.warn(session, both)
        failures.report(session, ConfigError(both, where=text, hint=both))
    for line in OURS.sub("", screen.getvalue()).splitlines():
        assert not ACTING.search(line), line
    assert screen.getvalue().count(visible(text)) >= 8


@SCREENS
def test_markup_is_shown_as_it_was_written(screen: io.StringIO) -> None:
    with looking_at(screen):
        output.table(["[bold]heading[/bold]"], [["[red]cell[/red] [link=http://a]x[/link] :smile:"]])
    assert "[bold]heading[/bold]" in screen.getvalue()
    assert "[red]cell[/red] [link=http://a]x[/link] :smile:" in screen.getvalue()


@SCREENS
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_json_is_one_line_a_terminal_may_see_and_loses_nothing(screen: io.StringIO, text: str) -> None:
    session = Session(json=True)
    with looking_at(screen):
        output.facts(session, {"a": text})
        output.warn(session, Text(text, text))
        failures.report(session, ConfigError(Text(text, text), where=text))
    lines = screen.getvalue().splitlines()
    assert len(lines) == 3
    assert not any(ACTING.search(line) for line in lines)
    assert [json.loads(line) for line in lines] == [
        {"a": text},
        {"warning": text},
        {"error": {"where": text, "message": text}},
    ]


def on_a_terminal(*command: object, home: Path) -> str:
    """What a process writes to the terminal it runs in."""
    ours, theirs = pty.openpty()
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("BUS_", "LC_", "LANG"))}
    environ |= {"BUS_HOME": str(home), "COLUMNS": "300", "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    process = subprocess.Popen(list(map(str, command)), stdin=theirs, stdout=theirs, stderr=theirs, env=environ)
    os.close(theirs)
    written = b""
    while True:
        try:
            more = os.read(ours, 1 << 16)
        except OSError:  # Linux says so when the last writer has gone
            break
        written += more
    os.close(ours)
    assert process.wait(timeout=60) == 0, written.decode()
    return written.decode()


def test_a_preview_of_hostile_records_does_nothing_to_the_terminal(tmp_path: Path) -> None:
    contract, grant, events = tmp_path / "c.avsc", tmp_path / "g.yaml", tmp_path / "e.jsonl"
    contract.write_text(json.dumps(avro_contract()))
    grant.write_text(json.dumps(grant_document(fields={"id": "pass", "name": "pass"})))
    texts = [text for name, text in HOSTILE.items() if name != "half a character"]  # which no column of text can hold
    rows = [{"op": "c", "before": None, "after": {"id": text, "name": f"[red]{text}"}} for text in texts]
    events.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = (
        sys.executable,
        "-m",
        "infra.bus",
        "preview",
        "--contract",
        contract,
        "--grant",
        grant,
        "--events",
        events,
    )
    shown = OURS.sub("", on_a_terminal(*command, home=tmp_path))
    assert not ACTING.search(shown.replace("\r\n", "\n"))
    for text in texts:
        assert f"[red]{output.visible(text, one_line=True)}" in shown
