"""Orders on a real control log: who is asked, what is written of it, and that nobody undoes another's stop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.control import Scope, apply_contract, apply_grant, resume, revoke, revoke_all, state, terminate
from infra.control.ordering import proves
from infra.control.resume import StillSuspended
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from schemas.policy_state import GrantInForce
from tests.conftest import Cluster
from tests.infra.control.applications.office import Office
from tests.infra.control.world import NOW, contract, grant


class City:
    """A grant of shuiwu on a resource of scjg, in force since no signers were known, and people who act on it now."""

    def __init__(self, cluster: Cluster, office: Office, word: str) -> None:
        self.office, self.settings, self.word, self.id = office, cluster.settings, word, f"{word}.grant"
        apply_contract(cluster.settings, contract(f"{word}.r"))
        apply_grant(cluster.settings, grant(word), now_ms=NOW)

    def as_(self, name: str) -> Settings:
        return self.office.as_(self.settings, name)

    def suspend(self, name: str) -> None:
        revoke(self.as_(name), self.id, reason="suspended", now_ms=NOW)

    @property
    def found(self) -> GrantInForce:
        return state(self.settings).grants[self.id]


@pytest.fixture
def city(cluster: Cluster, tmp_path: Path, unique: str) -> City:
    return City(cluster, Office(tmp_path), unique)


def test_an_end_names_the_person_and_the_side_and_is_signed(city: City) -> None:
    revoke(city.as_("head.sc"), city.id, by="root@host", now_ms=NOW)
    done = city.found.done[-1]
    assert (done.what, done.by, done.capacity, done.at) == ("revoked", "head.sc", "provider", NOW)
    assert done.ordered is not None
    assert done.ordered.department == "scjg"
    assert proves(city.found, done, city.office.signers)


@pytest.mark.parametrize(
    "act",
    [
        lambda city, who: revoke(city.as_(who), city.id, now_ms=NOW),
        lambda city, who: revoke(city.as_(who), city.id, reason="withdrawn", now_ms=NOW),
        lambda city, who: revoke(city.as_(who), city.id, reason="suspended", now_ms=NOW),
        lambda city, who: terminate(city.as_(who), Scope(resource=f"{city.word}.r"), now_ms=NOW),
        lambda city, who: terminate(city.as_(who), Scope(purpose="test"), now_ms=NOW),
    ],
)
def test_a_stranger_ends_nothing_and_nothing_is_written(city: City, act: Callable[[City, str], object]) -> None:
    before = state(city.settings).epoch
    with pytest.raises(ConfigError, match=r"head\.ga of gaj may not"):
        act(city, "head.ga")
    assert state(city.settings).epoch == before


def test_where_signers_are_known_somebody_must_act_and_the_user_of_the_system_is_nobody(city: City) -> None:
    nobody = city.settings.model_copy(update={"signers": city.office.folder})
    for attempt in (
        lambda: revoke(nobody, city.id, now_ms=NOW),
        lambda: resume(nobody, [city.id], now_ms=NOW),
        lambda: terminate(nobody, Scope(resource=f"{city.word}.r"), now_ms=NOW),
    ):
        with pytest.raises(ConfigError, match="nobody is known to act"):
            attempt()
    assert city.found.ended is None


def test_a_key_whose_time_is_over_orders_nothing(city: City) -> None:
    file = city.office.folder / "scjg.yaml"
    file.write_text(file.read_text().replace("  head.sc:", "  head.sc:\n    until: 2026-11-23"))
    with pytest.raises(ConfigError, match="valid until 2026-11-23"):
        revoke(city.as_("head.sc"), city.id, now_ms=NOW)
    revoke(city.as_("head.sc"), city.id, now_ms=NOW - 86_400_000)
    assert city.found.end_reason == "revoked"


def test_the_bureau_ends_a_whole_purpose_but_no_single_grant_nor_a_resource(city: City, unique: str) -> None:
    other = f"{unique}.other"
    apply_grant(city.settings, grant(unique, id=other, purpose=unique, fields={"name": "pass"}), now_ms=NOW)
    with pytest.raises(ConfigError, match="may not revoke") as caught:
        revoke(city.as_("bureau"), other, now_ms=NOW)
    assert "bus suspend" in str(caught.value.hint)
    with pytest.raises(ConfigError, match="may not terminate"):
        terminate(city.as_("bureau"), Scope(resource=f"{unique}.r", purpose=unique), now_ms=NOW)
    assert [f.grant for f in terminate(city.as_("bureau"), Scope(purpose=unique), now_ms=NOW)] == [other]
    assert state(city.settings).grants[other].done[-1].capacity == "bureau"


@pytest.mark.parametrize("who", ["bureau", "head.sw", "clerk.sc", "head.ga"])
def test_what_the_provider_suspended_is_lifted_by_nobody_else(city: City, who: str) -> None:
    city.suspend("clerk.sc")
    with pytest.raises(ConfigError, match="may not resume"):
        resume(city.as_(who), [city.id], now_ms=NOW)
    assert city.found.end_reason == "suspended"
    resume(city.as_("head.sc"), [city.id], now_ms=NOW)
    done = city.found.done[-1]
    assert (city.found.generation, done.what, done.by) == (2, "resumed", "head.sc")
    assert proves(city.found, done, city.office.signers)


def test_the_bureau_lifts_its_own_suspension_and_nothing_of_a_provider_who_suspended_as_well(city: City) -> None:
    city.suspend("bureau")
    first = city.found
    city.suspend("head.sc")
    assert city.found.suspended_by == ("bureau", "provider")
    assert (city.found.ended, city.found.fence) == (first.ended, first.fence), "the first end stands"
    with pytest.raises(ConfigError, match="ended already"):
        city.suspend("office.sc")
    assert resume(city.as_("bureau"), [city.id], now_ms=NOW) == [StillSuspended(city.id, 1, ("provider",))]
    assert city.found.ended is not None
    with pytest.raises(ConfigError, match="may not resume"):
        resume(city.as_("bureau"), [city.id], now_ms=NOW)
    assert resume(city.as_("head.sc"), [city.id], now_ms=NOW)[0].generation == 2
    assert city.found.ended is None


def test_a_subscriber_who_suspends_first_does_not_undo_the_providers_stop_nor_the_reverse(city: City) -> None:
    city.suspend("clerk.sw")
    city.suspend("head.sc")
    assert resume(city.as_("head.sw"), [city.id], now_ms=NOW) == [StillSuspended(city.id, 1, ("provider",))]
    city.suspend("head.sw")
    assert resume(city.as_("head.sc"), [city.id], now_ms=NOW) == [StillSuspended(city.id, 1, ("subscriber",))]
    resume(city.as_("head.sw"), [city.id], now_ms=NOW)
    assert (city.found.generation, city.found.ended) == (2, None)


def test_what_nobody_known_suspended_only_the_provider_lifts(city: City) -> None:
    revoke(city.settings, city.id, reason="suspended", now_ms=NOW)
    with pytest.raises(ConfigError, match="may not resume"):
        resume(city.as_("bureau"), [city.id], now_ms=NOW)
    assert resume(city.as_("head.sc"), [city.id], now_ms=NOW)[0].generation == 2


def test_a_subscriber_gives_up_its_own_grant_and_not_anothers_beside_it(city: City, unique: str) -> None:
    others = f"{unique}.others"
    apply_grant(city.settings, grant(unique, id=others, subscriber="gaj"), now_ms=NOW)
    with pytest.raises(ConfigError, match=f"may not revoke {others}"):
        revoke_all(city.as_("head.sw"), [city.id, others], now_ms=NOW)
    assert city.found.ended is None
    revoke_all(city.as_("head.sw"), [city.id], now_ms=NOW)
    assert city.found.done[-1].capacity == "subscriber"


def test_a_fault_in_another_departments_list_of_signers_keeps_nobody_from_stopping(city: City) -> None:
    (city.office.folder / "gaj.yaml").write_text("people: [")
    city.suspend("clerk.sc")
    assert city.found.suspended_by == ("provider",)
