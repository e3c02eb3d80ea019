"""Grants are suspended and go on, end for good, and end together: on a real control log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from infra.control import (
    Scope,
    apply_contract,
    apply_grant,
    list_grants,
    resume,
    revoke,
    revoke_all,
    state,
    terminate,
)
from infra.control.destruction import confirm_destroyed, confirm_rectified
from infra.runtime.settings import Settings
from schemas.act import Deed
from schemas.errors import ConfigError
from schemas.policy_state import GrantInForce
from tests.conftest import Cluster
from tests.infra.control.world import NOW, Worker, contract, grant


@pytest.fixture
def opened(cluster: Cluster, unique: str) -> Iterator[str]:
    """An active grant's id."""
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    apply_grant(cluster.settings, grant(unique), now_ms=NOW)
    yield f"{unique}.grant"


def found(cluster: Cluster, grant_id: str) -> GrantInForce:
    return state(cluster.settings).grants[grant_id]


def test_what_is_suspended_goes_on_as_it_was_in_a_topic_of_its_own(cluster: Cluster, opened: str) -> None:
    before = found(cluster, opened)
    fence = revoke(cluster.settings, opened, reason="suspended", now_ms=NOW)
    assert fence.destroy_by is None
    resumed = resume(cluster.settings, [opened], now_ms=NOW)[0]
    after = found(cluster, opened)
    assert (after.grant, after.fingerprint, after.approval) == (before.grant, before.fingerprint, before.approval)
    assert (after.generation, after.topic, after.ended) == (2, resumed.topic, None)
    assert resumed.topic != before.topic
    old = next(g for g in state(cluster.settings).ended if g.grant.id == opened)
    assert (old.end_reason, old.fence) == ("suspended", fence.offsets), "the gap stays a gap"


def test_only_what_is_suspended_is_resumed(cluster: Cluster, opened: str) -> None:
    with pytest.raises(ConfigError, match="not suspended"):
        resume(cluster.settings, [opened], now_ms=NOW)
    revoke(cluster.settings, opened, now_ms=NOW)
    with pytest.raises(ConfigError, match="not suspended"):
        resume(cluster.settings, [opened], now_ms=NOW)
    with pytest.raises(ConfigError, match="not suspended"):
        resume(cluster.settings, ["nobody.nothing"], now_ms=NOW)


def test_what_expired_while_it_was_suspended_is_not_resumed(cluster: Cluster, opened: str) -> None:
    revoke(cluster.settings, opened, reason="suspended", now_ms=NOW)
    with pytest.raises(ConfigError, match="validity ended on 2027-10-31"):
        resume(cluster.settings, [opened], now_ms=NOW + 400 * 86_400_000)


def test_what_the_contract_would_release_otherwise_by_now_is_not_resumed(
    cluster: Cluster, unique: str, opened: str
) -> None:
    revoke(cluster.settings, opened, reason="suspended", now_ms=NOW)
    apply_contract(cluster.settings, contract(f"{unique}.r", sharing="refused"))
    with pytest.raises(ConfigError, match="does not go on"):
        resume(cluster.settings, [opened], now_ms=NOW)
    assert found(cluster, opened).generation == 1


def test_resuming_is_all_or_nothing(cluster: Cluster, unique: str, opened: str) -> None:
    apply_grant(cluster.settings, grant(unique, id=f"{unique}.other"), now_ms=NOW)
    revoke(cluster.settings, opened, reason="suspended", now_ms=NOW)
    with pytest.raises(ConfigError, match=f"{unique}.other"):
        resume(cluster.settings, [opened, f"{unique}.other"], now_ms=NOW)
    assert found(cluster, opened).end_reason == "suspended"


def test_what_is_suspended_can_end_for_good_where_it_was_suspended(cluster: Cluster, opened: str) -> None:
    first = revoke(cluster.settings, opened, reason="suspended", now_ms=NOW)
    with pytest.raises(ConfigError, match="ended already"):
        revoke(cluster.settings, opened, reason="suspended", now_ms=NOW)
    last = revoke(cluster.settings, opened, now_ms=NOW)
    assert (last.epoch, last.offsets) == (first.epoch, first.offsets)
    assert last.destroy_by == "2026-12-04"
    with pytest.raises(ConfigError, match="not suspended"):
        resume(cluster.settings, [opened], now_ms=NOW)


def test_a_revoked_grant_does_not_come_back_from_its_old_file(cluster: Cluster, unique: str, opened: str) -> None:
    revoke(cluster.settings, opened, now_ms=NOW)
    with pytest.raises(ConfigError, match="has ended"):
        apply_grant(cluster.settings, grant(unique), now_ms=NOW)
    again = apply_grant(cluster.settings, grant(unique, version=2), now_ms=NOW)
    first = next(g for g in state(cluster.settings).ended if g.grant.id == opened)
    assert (again.generation, again.topic != first.topic) == (2, True)


def test_many_end_in_one_append_or_none(cluster: Cluster, unique: str, opened: str) -> None:
    names = [f"{unique}.more{n}" for n in range(20)]
    for name in names:
        apply_grant(cluster.settings, grant(unique, id=name), now_ms=NOW)
    before = state(cluster.settings).epoch
    with pytest.raises(ConfigError, match="no grant"):
        revoke_all(cluster.settings, [*names, "nobody.nothing"], now_ms=NOW)
    assert state(cluster.settings).epoch == before
    with Worker(cluster.settings, f"{unique}.r", f"{unique}.worker"):
        fences = revoke_all(cluster.settings, names, now_ms=NOW)
    first = fences[0].epoch
    assert [f.epoch for f in fences] == [*range(first, first + 20)], "no marker of a commit between them"
    assert all(found(cluster, n).fence == f.offsets for n, f in zip(names, fences, strict=True))
    assert found(cluster, opened).ended is None


@pytest.mark.parametrize(
    ("scope", "ends"),
    [
        ({"department": "dep"}, {"of_dep", "suspended"}),
        ({"department": "scjg"}, {"of_dep", "of_other", "suspended"}),
        ({"resource": "r"}, {"of_dep", "of_other", "suspended"}),
        ({"purpose": "other"}, {"of_other"}),
        ({"department": "dep", "purpose": "other"}, set()),
    ],
)
def test_a_termination_ends_all_it_concerns_suspended_ones_too_and_nothing_else(
    cluster: Cluster, unique: str, scope: dict[str, str], ends: set[str]
) -> None:
    department, provider = f"{unique}dep", f"{unique}scjg"
    apply_contract(cluster.settings, contract(f"{unique}.r", provider=provider))
    whole: dict[str, dict[str, Any]] = {
        "of_dep": {"subscriber": department},
        "of_other": {"subscriber": f"{unique}other", "purpose": f"{unique}other"},
        "suspended": {"subscriber": department, "fields": {"name": "pass"}},
    }
    for name, more in whole.items():
        apply_grant(cluster.settings, grant(unique, id=f"{unique}.{name}", **more), now_ms=NOW)
    revoke(cluster.settings, f"{unique}.suspended", reason="suspended", now_ms=NOW)
    words = {"dep": department, "scjg": provider, "r": f"{unique}.r", "other": f"{unique}other"}
    said = Scope(**{k: words[v] for k, v in scope.items()})
    if ends:
        assert {f.grant for f in terminate(cluster.settings, said, now_ms=NOW)} == {f"{unique}.{e}" for e in ends}
    else:
        with pytest.raises(ConfigError, match="no grant is concerned"):
            terminate(cluster.settings, said, now_ms=NOW)
    over = {n for n in whole if found(cluster, f"{unique}.{n}").end_reason == "revoked"}
    assert over == ends


def test_everything_at_once_is_not_meant(cluster: Cluster) -> None:
    with pytest.raises(ConfigError, match="not meant"):
        terminate(cluster.settings, Scope())


def test_the_subscriber_is_told_until_when_to_destroy_and_confirms_it(cluster: Cluster, opened: str) -> None:
    done: list[Deed] = []

    def do(settings: Settings, deed: Deed) -> None:
        done.append(deed)

    with pytest.raises(ConfigError, match="has ended for good"):
        confirm_destroyed(cluster.settings, opened, "none", do)
    revoke(cluster.settings, opened, reason="suspended", now_ms=NOW)
    with pytest.raises(ConfigError, match="has ended for good"):
        confirm_destroyed(cluster.settings, opened, "none", do)
    confirm_rectified(cluster.settings, opened, "mended", do)
    revoke(cluster.settings, opened, now_ms=NOW)
    listed = next(g for g in list_grants(cluster.settings, ended=True, now_ms=NOW) if g.grant == opened)
    assert listed.destroy_by == "2026-12-04"
    confirmed = confirm_destroyed(cluster.settings, opened, "shredded", do)
    assert (confirmed.generation, confirmed.due) == (1, "2026-12-04")
    assert [d.kind for d in done] == ["rectified", "destroyed"]
    with pytest.raises(ConfigError, match="not suspended"):
        confirm_rectified(cluster.settings, opened, "mended", do)
