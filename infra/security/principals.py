"""Users of a secured cluster: one for each system of a department, in versions so that a password can change without anybody
being cut off. The cluster's own list of SCRAM users is the only one.

A user is named `<department>~<system>~<version>`; ids hold no `~`. All versions are one system's: what it may do, each may.
"""

from __future__ import annotations

import re
import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._scram import (  # not exported to type checkers, though its own documentation shows them
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from infra.runtime.kafka import passes
from schemas.errors import PermanentError, TransientError
from schemas.ids import check_id
from schemas.text import Text

_USER = re.compile(r"([^~]+)~([^~]+)~([1-9][0-9]*)\Z")
_TIMEOUT_S = 15.0
_ITERATIONS = 8192
_BYTES = 32


class User(NamedTuple):
    """One version of a system's credentials."""

    department: str
    system: str
    version: int

    def __str__(self) -> str:
        return f"{self.department}~{self.system}~{self.version}"


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user and its password, which is nowhere else."""

    name: str
    password: str


def read_user(name: str) -> User | None:
    """The system a user belongs to; None for the bus's own and for names that are none of ours."""
    found = _USER.match(name)
    try:
        return User(check_id(found[1]), check_id(found[2]), int(found[3])) if found else None
    except ValueError:  # made by hand; it belongs to nobody, and so may do nothing
        return None


def users_by_department(names: Iterable[str]) -> dict[str, Sequence[str]]:
    """The users of each department, all systems and versions."""
    out: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        user = read_user(name)
        if user is not None:
            out[user.department].append(name)
    return dict(out)


def next_user(names: Iterable[str], department: str, system: str) -> User:
    """The next version of a system's user; the first if it has none."""
    mine = [u.version for n in names if (u := read_user(n)) and (u.department, u.system) == (department, system)]
    return User(check_id(department), check_id(system), max(mine, default=0) + 1)


def list_users(client: AdminClient) -> list[str]:
    """Everybody with a password. TransientError if the cluster is out of reach."""
    try:
        asked: Any = client.describe_user_scram_credentials(
            request_timeout=_TIMEOUT_S
        )  # one future, as nobody was named
        return sorted(asked.result())
    except KafkaException as error:
        raise _refused(error) from error


def make_users(client: AdminClient, names: Sequence[str]) -> list[NewUser]:
    """Users with new random passwords; one that exists gets a new password."""
    made = [NewUser(name, secrets.token_urlsafe(_BYTES)) for name in names]
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
    changes = [UserScramCredentialUpsertion(u.name, info, u.password.encode()) for u in made]
    _alter(client, changes)
    return made


def remove_users(client: AdminClient, names: Sequence[str]) -> None:
    """They can log in no more. Connections that are open go on until the broker asks again (`connections.max.reauth.ms`)."""
    _alter(client, [UserScramCredentialDeletion(name, ScramMechanism.SCRAM_SHA_512) for name in names])


def _alter(
    client: AdminClient, changes: Sequence[UserScramCredentialUpsertion] | Sequence[UserScramCredentialDeletion]
) -> None:
    if not changes:
        return
    for done in client.alter_user_scram_credentials(list(changes), request_timeout=_TIMEOUT_S).values():
        try:
            done.result()
        except KafkaException as error:
            raise _refused(error) from error


def _refused(error: KafkaException) -> PermanentError | TransientError:
    answer: KafkaError = error.args[0]
    if passes(answer):
        return TransientError(
            Text(f"the Kafka cluster does not answer: {answer.name()}.", f"Kafka 集群无响应: {answer.name()}。")
        )
    return PermanentError(
        Text(f"Kafka refuses to change users: {answer.name()}.", f"Kafka 拒绝修改用户: {answer.name()}。"),
        hint=Text(
            "Users need a secured cluster and the user 'control': bus up --secure.",
            "用户管理需要安全集群与用户 'control': bus up --secure。",
        ),
    )
