"""The ACLs are what is in force, and nothing more."""

from __future__ import annotations

from typing import Any

import pytest

from infra.security.acls import APPLICATIONS, CONTROL, EXCHANGE, Acl, wanted
from schemas.errors import ConfigError
from schemas.policy_log import ContractPublished, Event, GrantEnded, GrantOpened
from schemas.policy_state import PolicyState
from tests.infra.control.world import contract_source, grant

USERS = {"scjg": ["scjg.main", "scjg.gateway"], "shuiwu": ["shuiwu.tax"], "wjw": ["wjw.main"]}


def published(resource: str, provider: str = "scjg") -> ContractPublished:
    source = contract_source(resource, provider=provider)
    return ContractPublished(resource=resource, schema_id=1, contract=source, at=0, by="t")


def opened(word: str, generation: int = 1, **changes: Any) -> GrantOpened:
    given = grant(word, **changes)
    topic = f"grant.{given.id}.g{generation}"
    return GrantOpened(grant=given, generation=generation, topic=topic, schema_id=2, fingerprint="f", at=0, by="t")


def ended(word: str, generation: int = 1) -> GrantEnded:
    return GrantEnded(grant=f"{word}.grant", generation=generation, reason="revoked", at=0, by="t")


def state(*events: Event) -> PolicyState:
    now = PolicyState()
    for offset, event in enumerate(events):
        now = now.after(offset, event)
    return now


def of(user: str, *events: Event) -> set[tuple[str, str, str]]:
    """What a user may do: operation, kind, name (prefixes end in *)."""
    acls = [a for a in wanted(state(*events), USERS) if a.user == user]
    return {(a.operation, a.kind, a.name + "*" * (a.pattern == "prefixed")) for a in acls}


def may_read(user: str, *events: Event) -> set[str]:
    return {name for operation, kind, name in of(user, *events) if (operation, kind) == ("read", "topic")}


OWN_OF_WJW = {("read", "topic", "desk.wjw"), ("read", "group", "wjw:*")}


def test_who_neither_publishes_nor_subscribes_has_its_desk_and_its_group_names_and_nothing_else() -> None:
    assert of("wjw.main", published("a.r"), opened("a")) == OWN_OF_WJW
    assert of("nobody", published("a.r"), opened("a")) == set()


def test_only_the_provider_s_users_write_a_resource_s_topics_and_none_of_them_reads_its_data() -> None:
    acls = wanted(state(published("a.r"), published("b.r", "wjw"), opened("a")), USERS)
    for kind in ("src", "quarantine", "positions"):
        writers = {a.user for a in acls if a.operation == "write" and a.name == f"{kind}.a.r"}
        assert writers == {"scjg.main", "scjg.gateway"}
    assert {a.user for a in acls if a.operation == "read" and a.name in ("src.", "src.a.r")} == {EXCHANGE}
    assert may_read("scjg.main", published("a.r")) == {"desk.scjg", "positions.a.r"}


def test_only_the_provider_uses_the_transactional_ids_of_its_resource() -> None:
    acls = wanted(state(published("a.r"), published("b.r", "wjw")), USERS)
    names = {(a.user, a.name, a.pattern) for a in acls if a.kind == "transaction"}
    assert names == {
        ("scjg.main", "publisher.a.r:", "prefixed"),
        ("scjg.gateway", "publisher.a.r:", "prefixed"),
        ("wjw.main", "publisher.b.r:", "prefixed"),
        (EXCHANGE, "bus.exchange.", "prefixed"),
        (CONTROL, "bus.", "prefixed"),
    }


def test_a_subscriber_reads_its_grant_s_topic_until_the_grant_ends() -> None:
    assert may_read("shuiwu.tax", published("a.r"), opened("a")) == {"desk.shuiwu", "grant.a.grant.g1"}
    assert may_read("shuiwu.tax", published("a.r"), opened("a"), ended("a")) == {"desk.shuiwu"}


def test_an_amended_grant_s_former_topic_is_not_readable_any_more() -> None:
    assert may_read("shuiwu.tax", published("a.r"), opened("a"), opened("a", 2)) == {"desk.shuiwu", "grant.a.grant.g2"}


def test_nobody_but_the_subscriber_reads_a_grant_s_topic() -> None:
    acls = wanted(state(published("a.r"), opened("a")), USERS)
    assert {a.user for a in acls if a.operation == "read" and a.name.startswith("grant.")} == {"shuiwu.tax"}
    assert {a.user for a in acls if a.operation == "write" and a.name.startswith("grant.")} == {EXCHANGE}


def test_control_writes_the_logs_and_reads_no_data() -> None:
    assert may_read(CONTROL, published("a.r"), opened("a")) == {"bus.*", "desk.*"}
    written = {n for o, k, n in of(CONTROL, published("a.r")) if (o, k) == ("write", "topic")}
    assert written == {"bus.*", "desk.*"}


def test_the_application_desk_writes_acts_and_nothing_else_and_departments_do_not() -> None:
    assert may_read(APPLICATIONS, published("a.r"), opened("a")) == {"bus.grants", "bus.register", "bus.applications"}
    acls = wanted(state(published("a.r"), opened("a")), USERS)
    own = {(a.kind, a.name, a.operation) for a in acls if a.user == APPLICATIONS and a.operation != "read"}
    assert own == {("topic", "bus.applications", "write")}
    assert {a.user for a in acls if a.name in ("bus.grants", "bus.register", "bus.applications")} == {
        APPLICATIONS,
        EXCHANGE,
    }
    assert {a.name for a in acls if a.user == EXCHANGE and a.name.startswith("bus.") and a.operation == "read"} == {
        *("bus.grants", "bus.exchange", "bus.exchange-replay", "bus.control-log")
    }


def test_a_contract_that_changes_hands_takes_the_right_to_write_along() -> None:
    now = wanted(state(published("a.r"), published("a.r", "wjw")), USERS)
    assert {a.user for a in now if a.name == "src.a.r"} == {"wjw.main"}


@pytest.mark.parametrize(
    "users", [{"a": ["x"], "b": ["x"]}, {"a": ["control"]}, {"bus": ["exchange"]}, {"bus": ["applications"]}]
)
def test_a_user_of_two_departments_or_of_the_bus_is_refused(users: dict[str, list[str]]) -> None:
    with pytest.raises(ConfigError, match="somebody else's"):
        wanted(PolicyState(), users)


def test_acls_have_an_order_so_that_reports_do_too() -> None:
    acls = wanted(state(published("a.r"), opened("a")), USERS)
    assert sorted(acls)[0] == Acl("applications", "group", "bus.control-log", "literal", "read")
