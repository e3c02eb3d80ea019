"""The PostgreSQL sink passes the conformance suite against a real server."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from pydantic import SecretStr

from consumers.catalogue import shown, sink_for
from consumers.sink import Sink
from consumers.sinks.postgresql.settings import PostgresqlSettings
from consumers.sinks.postgresql.sink import PostgresqlSink
from consumers.values import json_text
from consumers.view import Column, Kind, View
from schemas.errors import PermanentError, TransientError
from tests.kit.sink_conformance import SinkConformance, a_view, batch, event


class PostgresqlTarget:
    """A database."""

    def __init__(self, url: str) -> None:
        self.url = url

    def sink(self) -> Sink:
        return sink_for(self.url)

    def query(self, text: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row) as db:
            return db.execute(text).fetchall()  # type: ignore[arg-type]

    def rows(self, view: View) -> list[dict[str, Any]]:
        return self.query(f'SELECT * FROM "{view.table}"')

    def titles(self, view: View) -> Mapping[str, str]:
        found = self.query(
            f"""SELECT coalesce(a.attname, '') AS name, d.description AS title FROM pg_description d
            LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND a.attnum > 0
            WHERE d.objoid = '"{view.table}"'::regclass"""
        )
        return {r["name"]: r["title"] for r in found}

    def stored(self, kind: Kind, value: Any) -> Any:
        if kind == "json":
            return json.loads(json_text(value))
        return value.replace(tzinfo=dt.UTC) if kind == "timestamp" else value


class TestPostgresqlSink(SinkConformance):
    @pytest.fixture
    def target(self, database: str) -> PostgresqlTarget:
        return PostgresqlTarget(database)


@pytest.fixture
def target(database: str) -> PostgresqlTarget:
    return PostgresqlTarget(database)


def test_a_row_with_nul_is_withheld_with_a_pointer_and_its_old_row_goes(target: PostgresqlTarget) -> None:
    view = a_view(columns=[*a_view().columns, Column("more", "more", "json", False)])
    sink = target.sink()
    sink.open(view)
    sink.write(batch(event("c", "1", 0, {"name": "old"}), event("c", "2", 1), event("c", "3", 2)))
    hidden = {"more": ["literal \\u0000 is text"]}
    bad = [event("u", "1", 3, {"name": "a\0b"}), event("u", "2", 4, {"more": {"x": ["\0"]}}), event("c", "k\0", 5)]
    written = sink.write(batch(*bad, event("u", "3", 6, hidden), event("d", "k\0", 7), start=3))
    sink.close()
    assert (written.upserted, written.deleted, written.rejected) == (1, 2, 2)
    assert [(r["id"], r["more"]) for r in target.rows(view)] == [("3", hidden["more"])]
    found = target.query('SELECT partition, "offset", reason FROM _bus_rejections ORDER BY "offset"')
    assert [tuple(r.values()) for r in found] == [(0, 3, "text-holds-nul"), (0, 4, "text-holds-nul")]


def test_a_row_whose_key_no_index_holds_is_rejected_and_the_rest_goes_on(target: PostgresqlTarget) -> None:
    sink = target.sink()
    sink.open(a_view())
    long = "".join(hashlib.sha256(str(n).encode()).hexdigest() for n in range(200))
    made = [event("c", f"{i}", i) for i in range(20)]
    written = sink.write(batch(*made[:7], event("c", long, 7), *made[8:]))
    sink.close()
    assert (written.upserted, written.rejected) == (19, 1)
    assert {r["id"] for r in target.rows(a_view())} == {str(i) for i in range(20) if i != 7}
    found = target.query('SELECT "offset", reason FROM _bus_rejections')
    assert [tuple(r.values()) for r in found] == [(7, "row-too-large")]


def test_rows_that_break_a_condition_of_their_department_are_rejected_and_their_old_rows_go(
    target: PostgresqlTarget,
) -> None:
    sink = target.sink()
    sink.open(a_view())
    sink.write(batch(event("c", "1", 0, {"amount": 1}), event("c", "2", 1, {"amount": 1})))
    with psycopg.connect(target.url) as db:
        db.execute(f'ALTER TABLE "{a_view().table}" ADD CHECK (amount >= 0)')  # type: ignore[arg-type]
    written = sink.write(
        batch(
            event("u", "1", 2, {"amount": -1}),
            event("u", "2", 3, {"amount": 2}),
            event("c", "3", 4, {"amount": -1}),
            start=2,
        )
    )
    sink.close()
    assert (written.upserted, written.deleted, written.rejected) == (1, 1, 2)
    assert [(r["id"], r["amount"]) for r in target.rows(a_view())] == [("2", 2)]
    found = target.query('SELECT "offset", reason FROM _bus_rejections ORDER BY "offset"')
    assert [tuple(r.values()) for r in found] == [(2, "check-violated"), (4, "check-violated")]


def test_a_lost_connection_is_transient_and_reopening_tells_the_truth(target: PostgresqlTarget) -> None:
    sink = target.sink()
    sink.open(a_view())
    sink.write(batch(event("c", "1", 0)))
    target.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'exchange-bus deliver' "
        "AND datname = current_database()"
    )
    with pytest.raises(TransientError):
        sink.write(batch(event("c", "2", 1), start=1))
    assert dict(sink.open(a_view()).positions) == {0: 1}
    sink.write(batch(event("c", "2", 1), start=1))
    sink.close()
    assert len(target.rows(a_view())) == 2


def test_a_deliverer_that_falls_silent_in_mid_transaction_does_not_hold_up_its_successor(
    target: PostgresqlTarget, database: str
) -> None:
    settings = PostgresqlSettings(url=SecretStr(database), idle_in_transaction_timeout_s=1)
    successor = PostgresqlSink(settings)

    class Frozen(PostgresqlSink):
        def _stage(self, rows: list[tuple[Any, ...]]) -> None:
            """Its positions are moved and not committed; the other one waits for them until the server loses patience."""
            successor.open(a_view())
            successor.write(batch(event("c", "1", 0)))
            super()._stage(rows)

    frozen = Frozen(settings)
    frozen.open(a_view())
    with pytest.raises(TransientError, match=r"25P03|out of reach"):
        frozen.write(batch(event("c", "2", 0)))
    frozen.close()
    held = successor.open(a_view())
    successor.close()
    assert (held.positions, held.events) == ({0: 1}, 1)
    assert [r["id"] for r in target.rows(a_view())] == ["1"]


def test_an_unreachable_server_is_transient_and_its_password_stays_hidden() -> None:
    url = "postgresql://u:geheim@127.0.0.1:1/db"
    with pytest.raises(TransientError) as caught:
        sink_for(url).open(a_view())
    assert "geheim" not in str(caught.value) + shown(url)


def test_a_missing_schema_is_permanent(database: str) -> None:
    from pydantic import SecretStr

    from consumers.sinks.postgresql.settings import PostgresqlSettings
    from consumers.sinks.postgresql.sink import PostgresqlSink

    sink = PostgresqlSink(PostgresqlSettings(url=SecretStr(database), db_schema="nowhere"))
    with pytest.raises(PermanentError, match="3F000"):
        sink.open(a_view())
    sink.close()


def test_a_condition_hardly_any_row_meets_stops_the_delivery_by_name_and_empties_nothing(
    target: PostgresqlTarget,
) -> None:
    sink = target.sink()
    sink.open(a_view())
    sink.write(batch(*(event("c", str(n), n, {"amount": n}) for n in range(20))))
    with psycopg.connect(target.url) as db:
        db.execute(f'ALTER TABLE "{a_view().table}" ADD CONSTRAINT mistaken CHECK (amount < 0) NOT VALID')  # type: ignore[arg-type]
    with pytest.raises(PermanentError, match="mistaken"):
        sink.write(batch(*(event("u", str(n), 20 + n, {"amount": n + 1}) for n in range(20)), start=20))
    sink.close()
    assert {r["id"]: r["amount"] for r in target.rows(a_view())} == {str(n): n for n in range(20)}
    assert target.query("SELECT next_offset FROM _bus_positions") == [{"next_offset": 20}]
