"""The shipped example: its mapping and contract carry rows with the dirt of the real registrations (made up here)."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import Any

import pytest

import producers.adapters.file
from infra.control.topics import create, of_resource, partition_counts
from infra.runtime.kafka import admin
from producers.run import PublishReport, contract_in_force, publish_file
from schemas.change_event import change_event_schema
from schemas.codec import codec_for, rows
from schemas.contract import load_contract
from schemas.formats import uscc_check_digit
from schemas.ids import quarantine_topic, source_topic
from tests.conftest import Cluster
from tests.producers.conftest import drain

EXAMPLES = Path(str(producers.adapters.file.__file__)).parent / "examples"
MAPPING, CONTRACT = EXAMPLES / "guiyang_registrations.yaml", EXAMPLES / "scjg.enterprise_registration.avsc"
HEADER = [
    "企业名称",
    "统一社会信用代码",
    "注册日期",
    "企业类型",
    "法人代表",
    "注册资金",
    "经营范围",
    "所在省份",
    "地区",
    "注册地址",
]


def _code(n: int) -> str:
    body = f"91520100{n:09d}"
    return body + uscc_check_digit(body)


def _row(n: int, capital: str = "N/A", address: str = "贵阳市云岩区某路１２号（甲，乙）", **more: str) -> list[str]:
    row = {"code": _code(n), "day": "2001-02-08", "kind": "N/A", "person": "N/A", **more}
    name = f"示例（贵阳）第{n}公司"
    scope = '批发, 零售"日用品", 服务'
    return [name, row["code"], row["day"], row["kind"], row["person"], capital, scope, "贵州省", "贵阳市", address]


ROWS = [
    _row(1, "18,089.4432(万元)", person="王示例", kind="有限责任公司"),
    _row(2, "200(万香港元)"),
    _row(3, "N/A", address="贵阳市某街３号"),
    _row(4, "50（万元）", code=_code(4).lower()),
    _row(4, "50（万元）", code=_code(4).lower()),
    _row(1, "1(万元)"),
    _row(5, code=_code(5)[:17] + ("1" if _code(5)[17] != "1" else "2")),
    _row(6, day="2001-13-08"),
]


@pytest.fixture(scope="module")
def published(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[PublishReport, Any, list[Any]]:
    folder = tmp_path_factory.mktemp("example")
    settings = cluster.settings.model_copy(update={"home": folder / "home"})
    contract = load_contract(CONTRACT)
    client = admin(settings)
    create(client, of_resource(contract.id, 1), partition_counts(client))
    file = folder / "registrations.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([HEADER, *ROWS])
    before = len(drain(settings, source_topic(contract.id)))
    report = publish_file(settings, MAPPING, file, contract=CONTRACT, snapshot=True)
    schema_id, _ = contract_in_force(settings, contract.id, None)
    values = [m.value() for m in drain(settings, source_topic(contract.id))][before:]
    events = rows(codec_for(change_event_schema(contract), schema_id).decode(values).batch)
    refused = [m.value() for m in drain(settings, quarantine_topic(contract.id))]
    return report, {e["key"]["uscc"]: e["after"] for e in events}, refused


def test_dirt_becomes_values_nulls_or_quarantined_rows(published: tuple[PublishReport, Any, list[Any]]) -> None:
    report, held, _ = published
    assert (report.rows, report.published, report.repeated) == (8, {"r": 4}, 1)
    assert report.quarantined == {
        (None, "duplicate_key"): 1,
        ("uscc", "format"): 1,
        ("registered_on", "not_a_date"): 1,
    }
    assert report.nulled == {("capital_cents", "foreign_currency"): 1, ("district", "not_found"): 1}
    assert set(held) == {_code(n) for n in (1, 2, 3, 4)}


def test_every_column_arrives_as_the_contract_has_it(published: tuple[PublishReport, Any, list[Any]]) -> None:
    _, held, _ = published
    assert held[_code(1)] == {
        "uscc": _code(1),
        "name": "示例（贵阳）第1公司",
        "registered_on": dt.date(2001, 2, 8),
        "enterprise_type": "有限责任公司",
        "legal_representative": "王示例",
        "capital_cents": 18_089_443_200,
        "business_scope": '批发, 零售"日用品", 服务',
        "province": "贵州省",
        "city": "贵阳市",
        "district": "云岩区",
        "address": "贵阳市云岩区某路12号（甲，乙）",
    }
    assert (held[_code(3)]["legal_representative"], held[_code(3)]["district"]) == (None, None)
    assert (held[_code(2)]["capital_cents"], held[_code(4)]["capital_cents"]) == (None, 50_000_000)


def test_no_record_of_a_quarantined_row_holds_any_of_it(published: tuple[PublishReport, Any, list[Any]]) -> None:
    for value in published[2]:
        text = value.decode()
        assert not any(cell in text for row in ROWS for cell in row if cell != "N/A")
