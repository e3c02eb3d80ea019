"""The generated city has the size of a real one, is the same every time, and holds together."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.control.documents import read_documents
from infra.control.register.judge import judge
from infra.control.register.sample.city import departments, entries, systems, units
from infra.control.register.sample.files import write_sample
from infra.control.register.state import RegisterState
from schemas.errors import ConfigError
from schemas.register_log import Document, key_of


def test_the_city_has_34_departments_14_districts_375_units_1748_systems_and_18725_entries() -> None:
    bodies = departments()
    assert [sum(d.level == level for d in bodies) for level in ("city", "district")] == [34, 14]
    assert (len(units()), len(systems()), len(entries())) == (375, 1_748, 18_725)
    assert entries() == entries()


def test_every_document_is_there_once_with_its_own_title_and_refers_to_what_there_is() -> None:
    city: list[Document] = [*departments(), *units(), *systems(), *entries()]
    assert len({key_of(d) for d in city}) == len({d.title for d in city}) == len(city)
    assert len({e.code for e in entries()}) == 18_725
    judge(RegisterState(), [("city", d) for d in city], {})


def test_nothing_about_persons_is_shared_or_opened_without_conditions() -> None:
    free = [e for e in entries() if "unconditional" in (e.sharing, e.open)]
    assert free
    assert not [e for e in free if e.personal != "none"]


def test_what_is_written_is_read_back_as_it_is_and_is_not_written_over_anything(tmp_path: Path) -> None:
    write_sample(tmp_path / "city")
    read = {key_of(d): d for _, d in read_documents([tmp_path / "city"]).register}
    assert read == {key_of(d): d for d in [*departments(), *units(), *systems(), *entries()]}
    with pytest.raises(ConfigError):
        write_sample(tmp_path / "city")
