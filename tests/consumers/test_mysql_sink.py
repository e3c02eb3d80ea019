"""The MySQL-compatible sink passes the conformance suite against a real MariaDB."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pymysql
import pytest

from consumers.catalogue import shown, sink_for
from consumers.rejections import rejections
from consumers.sink import Sink
from consumers.sinks.mysql import remake
from consumers.sinks.mysql.ddl import HASH
from consumers.values import json_text
from consumers.view import Column, Kind, View
from schemas.change_event import Op
from schemas.errors import ConfigError, PermanentError, TransientError
from tests.kit.mariadb import ask
from tests.kit.sink_conformance import SinkConformance, a_view, batch, event


class MysqlTarget:
    """A database."""

    def __init__(self, url: str) -> None:
        self.url = url

    def sink(self) -> Sink:
        return sink_for(self.url)

    def rows(self, view: View) -> list[dict[str, Any]]:
        json_columns = [c.name for c in view.columns if c.kind == "json"]
        found = ask(self.url, f"SELECT * FROM `{view.table}`")
        for row in found:
            row.pop(HASH, None)
            row.update({n: json.loads(row[n]) for n in json_columns if row[n] is not None})
        return found

    def titles(self, view: View) -> Mapping[str, str]:
        columns = ask(
            self.url,
            "SELECT column_name AS name, column_comment AS title FROM information_schema.columns "
            f"WHERE table_schema = DATABASE() AND table_name = '{view.table}' AND column_comment <> ''",
        )
        [table] = ask(
            self.url,
            "SELECT table_comment AS title FROM information_schema.tables "
            f"WHERE table_schema = DATABASE() AND table_name = '{view.table}'",
        )
        return {"": table["title"]} | {r["name"]: r["title"] for r in columns}

    def stored(self, kind: Kind, value: Any) -> Any:
        if kind == "json":
            return json.loads(json_text(value))
        if kind == "time":
            return dt.timedelta(
                hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond
            )
        return value


class TestMysqlSink(SinkConformance):
    @pytest.fixture
    def target(self, mysql_database: str) -> MysqlTarget:
        return MysqlTarget(mysql_database)


@pytest.fixture
def target(mysql_database: str) -> MysqlTarget:
    return MysqlTarget(mysql_database)


def test_keys_that_look_alike_stay_different(target: MysqlTarget) -> None:
    keys = ["A", "a", "a ", "a  ", "ａ", "é", "e", "e\u0301", "", " ", "ß", "ss", "1", "1\0", "k" * 5_000, "k" * 5_001]
    sink = target.sink()
    sink.open(a_view())
    sink.write(batch(*(event("c", k, n, {"amount": n}) for n, k in enumerate(keys))))
    sink.write(batch(event("d", "a ", len(keys)), start=len(keys)))
    sink.close()
    assert {r["id"]: r["amount"] for r in target.rows(a_view())} == {k: n for n, k in enumerate(keys) if k != "a "}


def test_a_row_with_a_number_that_is_none_is_withheld_with_a_pointer_and_its_old_row_goes(target: MysqlTarget) -> None:
    view = a_view(columns=[a_view().columns[0], Column("x", "x", "double", False)])
    sink = target.sink()
    sink.open(view)
    sink.write(batch(event("c", "1", 0, {"x": 1.5}), event("c", "2", 1, {"x": 1e308})))
    written = sink.write(
        batch(event("u", "1", 2, {"x": float("nan")}), event("c", "3", 3, {"x": -float("inf")}), start=2)
    )
    sink.close()
    assert (written.upserted, written.deleted, written.rejected) == (0, 1, 2)
    assert target.rows(view) == [{"id": "2", "x": 1e308}]
    found = ask(target.url, "SELECT `offset`, reason FROM _bus_rejections ORDER BY `offset`")
    assert found == [{"offset": 2, "reason": "number-not-finite"}, {"offset": 3, "reason": "number-not-finite"}]


def test_text_with_nul_and_the_largest_decimals_are_kept_whole(target: MysqlTarget) -> None:
    from decimal import Decimal

    wide = Column("wide", "wide", "decimal", False, "", 70, 2)
    view = a_view(columns=[*a_view().columns[:2], wide])
    sink = target.sink()
    sink.open(view)
    sink.write(batch(event("c", "1", 0, {"name": "a\0b", "wide": Decimal("9" * 68 + ".25")})))
    sink.close()
    assert target.rows(view) == [{"id": "1", "name": "a\0b", "wide": "9" * 68 + ".25"}]


@pytest.mark.parametrize("step", ["bar", "swap", "admit"])
def test_a_kill_between_the_steps_of_a_new_generation_leaves_nothing_wrong(
    target: MysqlTarget, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*given: Any) -> None:
        raise Killed

    former = target.sink()
    former.open(a_view())
    former.write(batch(event("c", "old", 0)))
    later = replace(a_view(generation=2, topic_id="id-2"), columns=a_view().columns[:2])
    dying = target.sink()
    with monkeypatch.context() as patched:
        patched.setattr(remake, step, killed)
        with pytest.raises(Killed):
            dying.open(later)
    dying.close()
    if step != "bar":  # from the first step on, nobody of the former generation can write
        with pytest.raises(PermanentError, match="another deliverer"):
            former.write(batch(event("c", "late", 1), start=1))
    former.close()
    sink = target.sink()
    assert dict(sink.open(later).positions) == {0: 0}
    assert target.rows(later) == []
    read = replace(event("r", "new", 0), after={"id": "new", "name": "甲"}, op=Op.READ)
    sink.write(batch(read))
    sink.close()
    assert target.rows(later) == [{"id": "new", "name": "甲"}]
    tables = {
        r["t"]
        for r in ask(
            target.url, "SELECT table_name AS t FROM information_schema.tables WHERE table_schema = DATABASE()"
        )
    }
    assert tables == {"_bus_views", "_bus_positions", "_bus_rejections", a_view().table}


def test_a_unique_index_of_the_departments_own_is_refused_before_two_rows_become_one(target: MysqlTarget) -> None:
    sink = target.sink()
    sink.open(a_view())
    sink.write(batch(event("c", "1", 0, {"amount": 7})))
    ask(target.url, f"CREATE UNIQUE INDEX one_amount ON {a_view().table} (amount)")
    with pytest.raises(PermanentError, match="one_amount"):
        sink.write(batch(event("c", "2", 1, {"amount": 7}), start=1))
    ask(target.url, f"DROP INDEX one_amount ON {a_view().table}")
    sink.write(batch(event("c", "2", 1, {"amount": 7}), start=1))
    sink.close()
    assert {r["id"] for r in target.rows(a_view())} == {"1", "2"}


@pytest.mark.parametrize("hashed", [True, False])
def test_single_rows_that_a_condition_of_the_departments_own_refuses_are_rejected_and_the_rest_goes_on(
    target: MysqlTarget, hashed: bool
) -> None:
    name, amount = a_view().columns[1:3]
    view = a_view(columns=[a_view().columns[0] if hashed else Column("id", "id", "long", True), name, amount])
    keys: list[Any] = [str(n) if hashed else n for n in range(100)]
    sink = target.sink()
    sink.open(view)
    sink.write(batch(*(event("c", k, n, {"name": "x", "amount": n}) for n, k in enumerate(keys))))
    ask(target.url, f"ALTER TABLE {view.table} ADD CONSTRAINT no_zhang CHECK (name <> '张三')")
    ask(target.url, f"ALTER TABLE {view.table} MODIFY amount BIGINT NOT NULL")
    wrong = {7: {"name": "张三", "amount": 1}, 50: {"name": "x", "amount": None}, 51: {"name": "张三", "amount": 1}}
    later = [event("u", k, 100 + n, wrong.get(n, {"name": "y", "amount": -n})) for n, k in enumerate(keys)]
    written = sink.write(batch(*later, start=100))
    sink.close()
    assert (written.upserted, written.deleted, written.rejected) == (97, 3, 3)
    assert {r["id"]: r["amount"] for r in target.rows(view)} == {k: -n for n, k in enumerate(keys) if n not in wrong}
    assert [(r.partition, r.offset, r.reason) for r in rejections(target.url)] == [
        (0, 107, "check-violated"),
        (0, 150, "null-refused"),
        (0, 151, "check-violated"),
    ]


def test_what_rejections_name_has_a_moment(target: MysqlTarget) -> None:
    assert rejections(target.url) == []
    view, sink = a_view(columns=[a_view().columns[0], Column("x", "x", "double", False)]), target.sink()
    sink.open(view)
    before = time.time_ns() // 1_000_000
    sink.write(batch(event("c", "1", 0, {"x": float("nan")})))
    sink.close()
    (found,) = rejections(target.url)
    assert (found.grant, found.offset, found.next, found.reason) == (view.grant, 0, 1, "number-not-finite")
    assert before <= found.at <= time.time_ns() // 1_000_000


def test_a_lock_held_by_somebody_is_transient(target: MysqlTarget) -> None:
    from consumers.sinks.mysql.settings import MysqlSettings
    from consumers.sinks.mysql.sink import MysqlSink

    settings = MysqlSettings.from_url(target.url).model_copy(update={"lock_timeout_s": 1})
    sink = MysqlSink(settings)
    sink.open(a_view())
    with pymysql.connect(
        host=settings.host, port=settings.port, user="bus", password="bus", database=settings.database
    ) as other:
        other.query(f"LOCK TABLES {a_view().table} WRITE")
        with pytest.raises(TransientError, match="1205"):
            sink.write(batch(event("c", "1", 0)))
    assert dict(sink.open(a_view()).positions) == {0: 0}
    sink.write(batch(event("c", "1", 0)))
    sink.close()
    assert len(target.rows(a_view())) == 1


def test_a_lost_connection_is_transient_and_reopening_tells_the_truth(target: MysqlTarget) -> None:
    sink = target.sink()
    sink.open(a_view())
    sink.write(batch(event("c", "1", 0)))
    for row in ask(
        target.url, "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = DATABASE()"
    ):
        ask(target.url, f"KILL {row['id'] if 'id' in row else row['ID']}")
    with pytest.raises(TransientError):
        sink.write(batch(event("c", "2", 1), start=1))
    assert dict(sink.open(a_view()).positions) == {0: 1}
    sink.write(batch(event("c", "2", 1), start=1))
    sink.close()
    assert len(target.rows(a_view())) == 2


def test_an_unreachable_server_is_transient_and_its_password_stays_hidden() -> None:
    url = "mysql://u:geheim@127.0.0.1:1/db"
    with pytest.raises(TransientError) as caught:
        sink_for(url).open(a_view())
    assert "geheim" not in str(caught.value) + shown(url)


@pytest.mark.parametrize("url", ["mysql:", "mysql://u:geheim@h", "mysql://u:geheim@h:x/d", "mysql://u:geheim@h/d?no=1"])
def test_an_address_that_is_none_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match="mysql://user") as caught:
        sink_for(url)
    assert "geheim" not in str(caught.value)
