"""The sample city is what it says: seeded, its codes valid, its dirt counted, its expectation right on cases by hand."""

from __future__ import annotations

import csv
from pathlib import Path
from random import Random

from infra.bus.demo.city import build_city
from infra.bus.demo.dirt import write_csv
from infra.bus.demo.expected import REFERENCES, Reference, expect, prefix_table
from infra.bus.demo.sample import CONTRACTS, GRANTS, write_sample
from infra.bus.latency import latencies_ms, percentile
from schemas.contract import load_contract
from schemas.formats import is_id_number, is_uscc
from schemas.grant import load_grants
from stream_apps.policy import compile_view


def test_one_seed_gives_one_city_and_another_seed_another() -> None:
    assert build_city(1000, 7) == build_city(1000, 7)
    assert build_city(1000, 7) != build_city(1000, 8)


def test_identity_numbers_and_credit_codes_have_right_check_digits() -> None:
    registers = {r.resource: r for r in build_city(2000, 7)}

    assert all(is_id_number(row["id_no"]) for row in registers["gongan.population"].first)
    assert all(is_uscc(row["uscc"]) for row in registers["scjg.enterprise_registration"].first)


def test_no_register_has_two_rows_with_one_key(tmp_path: Path) -> None:
    for register in build_city(5000, 7):
        key = load_contract(CONTRACTS / f"{register.resource}.avsc").key
        for rows in (register.first, register.second):
            assert len({tuple(row[k] for k in key) for row in rows}) == len(rows)


def test_the_number_of_events_is_about_what_was_asked_for(tmp_path: Path) -> None:
    sample = write_sample(tmp_path, 10_000, 7)

    total = sum(len(sample.changes(s.contract.id)) for s in sample.sent)

    assert abs(total - 10_000) < 200


def test_a_file_holds_every_row_and_the_bad_ones_it_counts(tmp_path: Path) -> None:
    register = build_city(2000, 7)[1]
    contract = load_contract(CONTRACTS / f"{register.resource}.avsc")

    bad = write_csv(tmp_path / "f.csv", contract, register.first, "gb18030", Random(1))

    with (tmp_path / "f.csv").open(encoding="gb18030", newline="") as file:
        lines = list(csv.reader(file))
    assert bad >= 2
    assert len(lines) == 1 + len(register.first) + bad


def test_every_grant_of_the_city_compiles_and_has_a_reference_of_the_same_fields() -> None:
    grants = [g for path in GRANTS.glob("*.yaml") for g in load_grants(path)]

    assert {g.id for g in grants} == set(REFERENCES)
    for grant in grants:
        view = compile_view(load_contract(CONTRACTS / f"{grant.resource}.avsc"), grant)
        assert {f.name for f in view.fields} == set(grant.fields)


def test_expectation_of_entry_change_exit_and_what_is_withheld() -> None:
    reference = Reference("r", lambda row: row["in"], lambda row, _: {"v": row["v"]})
    row = {"id": 1, "in": True, "v": 1, "other": 0}
    changes = [
        (None, row | {"in": False}),
        (row | {"in": False}, row),
        (row, row | {"other": 1}),
        (row, row | {"v": 2}),
        (row | {"v": 2}, row | {"in": False}),
        (row | {"in": False}, None),
    ]

    found = expect(reference, ("id",), changes, lambda value, meaning: f"{meaning}:{value}")

    assert [op for op, _, _ in found.events] == ["c", "u", "d"]
    assert found.withheld == 3
    assert found.table == {}
    assert prefix_table(found, 2) == {(1,): {"v": 2}}


def test_latency_is_per_event_from_acknowledgement_to_the_first_sight_of_enough_rows() -> None:
    took = latencies_ms([1.0, 1.0, 2.0], [(1.01, 1), (2.02, 3)])

    assert [round(ms) for ms in took] == [10, 1020, 20]
    assert percentile([1, 2, 3, 4], 0.5) == 3
    assert percentile([1, 2, 3, 4], 1.0) == 4
