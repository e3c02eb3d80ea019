"""The register on a real cluster: written all or none, read from where the projection stood, rebuilt when it is wrong."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from infra.control.register.log import RegisterLog, opened
from infra.control.register.put import plan_register, put_register, withdraw_register
from infra.control.register.search import Query, search
from infra.runtime.settings import Settings
from infra.runtime.turn import Overtaken
from schemas.errors import ConfigError
from schemas.ids import REGISTER_TOPIC
from schemas.register_log import Document, EntryPut
from tests.conftest import Cluster
from tests.infra.control.register.world import department, entry, system


@pytest.fixture
def settings(cluster: Cluster, tmp_path: Path) -> Settings:
    return replace(cluster, home=tmp_path / "home").settings


def put(settings: Settings, *documents: Document) -> list[str]:
    found = put_register(settings, [("f", d) for d in documents], {}, by="test", now_ms=1)
    return [f.action for f in found]


def test_what_was_put_is_found_by_everybody_and_putting_it_again_writes_nothing(
    settings: Settings, tmp_path: Path, unique: str
) -> None:
    documents = [department(unique), entry(f"{unique}.e", unique, title=f"企业登记{unique}")]
    assert put(settings, *documents) == ["created", "created"]
    with opened(settings) as projection:
        end = projection.place(REGISTER_TOPIC)[1]
    assert put(settings, *documents) == ["unchanged", "unchanged"]
    with opened(settings.model_copy(update={"home": tmp_path / "elsewhere"})) as projection:
        assert projection.place(REGISTER_TOPIC)[1] == end
        assert [h.id for h in search(projection, Query(unique)).hits] == [f"{unique}.e"]


def test_a_plan_says_which_fields_change_and_writes_nothing(settings: Settings, unique: str) -> None:
    put(settings, department(unique), entry(f"{unique}.e", unique))
    new = entry(f"{unique}.e", unique, title="新", update="monthly")
    for _ in range(2):
        (fact,) = plan_register(settings, [("f", new)], {})
        assert (fact.action, fact.changed) == ("changed", ("title", "update"))


def test_one_wrong_document_and_nothing_is_written(settings: Settings, unique: str) -> None:
    with pytest.raises(ConfigError):
        put(settings, department(unique), system(f"{unique}.s", "nobody-knows"))
    with opened(settings) as projection:
        assert ("Department", unique) not in projection.state().texts


def test_of_two_commands_at_once_the_later_wins_and_the_other_writes_nothing(settings: Settings, unique: str) -> None:
    with RegisterLog(settings) as slow, RegisterLog(settings) as fast:
        fast.append([EntryPut(document=department(f"{unique}.fast"), at=1, by="x")])
        with pytest.raises(Overtaken):
            slow.append([EntryPut(document=department(f"{unique}.slow"), at=1, by="x")])
    with opened(settings) as projection:
        known = projection.state().departments
    assert (f"{unique}.fast" in known, f"{unique}.slow" in known) == (True, False)


def test_what_was_withdrawn_is_gone_and_what_is_referred_to_stays(settings: Settings, unique: str) -> None:
    put(settings, department(unique), entry(f"{unique}.e", unique))
    with pytest.raises(ConfigError, match="no department"):
        withdraw_register(settings, ("Department", unique), by="x", now_ms=1)
    withdraw_register(settings, ("CatalogueEntry", f"{unique}.e"), by="x", now_ms=1)
    withdraw_register(settings, ("Department", unique), by="x", now_ms=1)
    with opened(settings) as projection:
        assert unique not in projection.state().departments
        assert search(projection, Query(f"{unique}.e")).total == 0
    with pytest.raises(ConfigError, match="has no Department"):
        withdraw_register(settings, ("Department", unique), by="x", now_ms=1)


@pytest.mark.parametrize(
    "spoil",
    ["UPDATE log SET identity = 'another'", "UPDATE log SET next = next + 1000", "PRAGMA user_version = 99"],
)
def test_a_projection_of_another_log_a_longer_one_or_another_layout_is_rebuilt(
    settings: Settings, unique: str, spoil: str
) -> None:
    put(settings, department(unique))
    with opened(settings) as projection:
        whole = projection.state().texts
        end = projection.place(REGISTER_TOPIC)
        projection.sql.execute("DELETE FROM document WHERE id = ?", (unique,))
        projection.sql.execute("INSERT INTO document VALUES ('Unit', 'ghost', '', '', '', 0, '')")
        projection.sql.execute(spoil)
    with opened(settings) as projection:
        assert projection.state().texts == whole
        assert projection.place(REGISTER_TOPIC) == end


def test_a_file_that_is_no_database_is_replaced_and_nobody_else_may_read_it(settings: Settings, unique: str) -> None:
    settings.home.mkdir()
    path = settings.home / "register.db"
    path.write_text("not a database" * 1000)
    path.chmod(0o644)
    put(settings, department(unique))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
