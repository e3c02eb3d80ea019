"""A small city whose grants are in every state a grant can be in, and what its users may do, said from the rules.

`allowed` is written from the rules in words, not from `infra.security.acls`: it is what that module is judged by.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from infra.security.principals import User
from schemas import ids
from schemas.policy_log import ContractPublished, Event, GrantEnded, GrantOpened
from tests.infra.control.world import contract_source, grant

TOPIC_OPERATIONS = (
    "fetch", "produce", "list", "describe", "describe configs", "alter configs", "alter partitions", "truncate", "create", "write", "delete",
)  # fmt: skip
"""In the order they are tried: what changes something comes last."""
GROUP_OPERATIONS = ("describe group", "commit")
CLUSTER_OPERATIONS = ("alter acls", "alter credentials", "describe broker", "alter broker")
TRANSACTION_OPERATIONS = ("transactional id", "init producer")
OPERATIONS = (*TOPIC_OPERATIONS, *GROUP_OPERATIONS, *TRANSACTION_OPERATIONS, *CLUSTER_OPERATIONS)

UNKNOWN = "stranger"
"""A user with a password and no department."""


@dataclass(frozen=True, slots=True)
class City:
    """Departments with their systems, resources with their providers, grants (id, subscriber, resource, generations, ended)."""

    systems: dict[str, tuple[str, ...]]
    resources: dict[str, str]
    grants: tuple[tuple[str, str, str, int, bool], ...]
    new: tuple[str, ...] = field(default=("src.new", "grant.new.g1", "desk.new", "bus.new", "new"))
    """Topics nobody has made."""

    @property
    def users(self) -> dict[str, tuple[str, ...]]:
        """The users of each department."""
        return {d: tuple(str(User(d, s, 1)) for s in systems) for d, systems in self.systems.items()}

    @property
    def everybody(self) -> tuple[str, ...]:
        """All that can log in."""
        return ("control", "exchange", "applications", UNKNOWN, *(u for users in self.users.values() for u in users))

    @property
    def topics(self) -> list[str]:
        """All that exist."""
        kinds = (ids.source_topic, ids.quarantine_topic, ids.positions_topic)
        logs = (ids.POLICY_TOPIC, ids.REGISTER_TOPIC, ids.APPLICATIONS_TOPIC, ids.EVIDENCE_TOPIC, ids.DEAD_LETTER_TOPIC)
        return [
            *(kind(r) for r in self.resources for kind in kinds),
            *(ids.grant_topic(g, n) for g, _, _, last, _ in self.grants for n in range(1, last + 1)),
            *(ids.desk_topic(d) for d in self.users),
            *logs,
        ]

    @property
    def groups(self) -> list[str]:
        """Consumer groups, real ones and names somebody might try."""
        own = [f"{d}{end}" for d in self.users for end in (":reader", ".reader", "")]
        return [ids.EXCHANGE_GROUP, "bus.exchange-replay", "bus.control-log", *own, "group"]

    @property
    def transactions(self) -> list[str]:
        """transactional.ids, real ones and names somebody might try."""
        own = [ids.publisher_transaction("file", r) for r in self.resources]
        return ["bus.control", "bus.register", "bus.exchange.a", "bus.publisher", *own, "publisher", "id"]

    def events(self) -> list[Event]:
        """What the control log says."""
        found: list[Event] = []
        for resource, provider in self.resources.items():
            source = contract_source(resource, provider=provider)
            found.append(ContractPublished(resource=resource, schema_id=1, contract=source, at=0, by="matrix"))
        for name, subscriber, resource, last, ended in self.grants:
            given = grant("m", id=name, subscriber=subscriber, resource=resource)
            more: dict[str, Any] = {"schema_id": 1, "fingerprint": "f", "at": 0, "by": "matrix"}
            found += [
                GrantOpened(grant=given, generation=n, topic=ids.grant_topic(name, n), **more)
                for n in range(1, last + 1)
            ]
            if ended:
                found.append(GrantEnded(grant=name, generation=last, reason="revoked", at=1, by="matrix"))
        return found

    def allowed(self, user: str, operation: str, name: str) -> bool:
        """Whether the rules let a user do something with a topic, group, transactional.id or the cluster."""
        if operation in CLUSTER_OPERATIONS:
            return user == "control"
        if operation == "describe group":
            return (user, name) == ("control", ids.EXCHANGE_GROUP) or self._group(user, name)
        if operation == "commit":
            return self._group(user, name)
        if operation in TRANSACTION_OPERATIONS:
            return self._transaction(user, name)
        return operation in self._topic(user, name)

    def _department(self, user: str) -> str | None:
        return next((d for d, users in self.users.items() if user in users), None)

    def _group(self, user: str, name: str) -> bool:
        if name == "bus.control-log":
            return user in ("control", "exchange", "applications")
        if name in (ids.EXCHANGE_GROUP, "bus.exchange-replay"):
            return user == "exchange"
        department = self._department(user)
        return department is not None and name == f"{department}:reader"

    def _transaction(self, user: str, name: str) -> bool:
        if name.startswith("bus."):
            return user == "control" or (user == "exchange" and name == "bus.exchange.a")
        department = self._department(user)
        return any(department == p and name == ids.publisher_transaction("file", r) for r, p in self.resources.items())

    def _topic(self, user: str, name: str) -> set[str]:
        """The operations a user may do on a topic. Who may read or write also sees that it is there."""
        if user == "control":
            kept = name.startswith(("bus.", "desk."))
            data = name.startswith(("src.", "quarantine.", "positions.", "grant."))
            managed = {"list", "describe", "describe configs", "alter configs", "truncate", "create", "delete"}
            return (managed if kept or data else set()) | ({"fetch", "produce", "write"} if kept else set())
        may: set[str] = set()
        if self._data(user, "read", name):
            may |= {"fetch", "list", "describe"}
        if self._data(user, "write", name):
            may |= {"produce", "write", "list", "describe"}
        return may

    def _data(self, user: str, operation: str, name: str) -> bool:
        if user == "applications":
            read = (ids.POLICY_TOPIC, ids.REGISTER_TOPIC, ids.APPLICATIONS_TOPIC)
            return name == ids.APPLICATIONS_TOPIC or (operation == "read" and name in read)
        if user == "exchange":
            if operation == "read":
                return name.startswith("src.") or name == ids.POLICY_TOPIC
            return name.startswith("grant.") or name in (ids.EVIDENCE_TOPIC, ids.DEAD_LETTER_TOPIC)
        department = self._department(user)
        if department is None:
            return False
        own = [r for r, provider in self.resources.items() if provider == department]
        if operation == "write":
            return any(name in (ids.source_topic(r), ids.quarantine_topic(r), ids.positions_topic(r)) for r in own)
        if name == ids.desk_topic(department) or any(name == ids.positions_topic(r) for r in own):
            return True
        return any(
            name == ids.grant_topic(g, last) and subscriber == department and not ended
            for g, subscriber, _, last, ended in self.grants
        )


SMALL = City(
    systems={"scjg": ("main",), "shuiwu": ("tax",), "wjw": ("main",)},
    resources={"scjg.enterprise": "scjg", "wjw.hospital": "wjw"},
    grants=(
        ("shuiwu.enterprise.1", "shuiwu", "scjg.enterprise", 2, False),
        ("shuiwu.hospital.1", "shuiwu", "wjw.hospital", 1, True),
        ("scjg.hospital.1", "scjg", "wjw.hospital", 1, False),
    ),
)

LARGE = City(
    systems={
        "scjg": (
            "main",
            "gateway",
        ),
        "scjg.branch": ("branch",),
        "gongan": ("main",),
        "shuiwu": (
            "tax",
            "lake",
        ),
        "wjw": ("main",),
        "tjj": ("main",),
        "public": ("portal",),
        "bus": ("company",),
        "quiet": ("main",),
    },
    resources={
        "scjg.enterprise": "scjg",
        "scjg.enterprise_tax": "scjg",
        "scjg.branch.licence": "scjg.branch",
        "gongan.population": "gongan",
        "wjw.hospital": "wjw",
        "bus.timetable": "bus",
    },
    grants=(
        ("shuiwu.enterprise.1", "shuiwu", "scjg.enterprise", 1, False),
        ("shuiwu.enterprise.2", "shuiwu", "scjg.enterprise_tax", 3, False),
        ("shuiwu.population.1", "shuiwu", "gongan.population", 1, True),
        ("wjw.population.1", "wjw", "gongan.population", 2, False),
        ("tjj.population.1", "tjj", "gongan.population", 2, True),
        ("tjj.hospital.1", "tjj", "wjw.hospital", 1, False),
        ("gongan.licence.1", "gongan", "scjg.branch.licence", 1, False),
        ("public.timetable.1", "public", "bus.timetable", 1, False),
        ("scjg.branch.enterprise.1", "scjg.branch", "scjg.enterprise", 1, False),
    ),
)
