"""Who can log in to a secured cluster, and what they may do there: users and the ACLs that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infra.control.listing import state
from infra.runtime.kafka import admin
from infra.runtime.settings import Settings
from infra.security.acls import wanted
from infra.security.handing_over import write_credentials
from infra.security.principals import (
    list_users,
    make_users,
    next_user,
    read_user,
    remove_users,
    users_by_department,
)
from infra.security.reconcile import drift, held, repair
from schemas.errors import ConfigError
from schemas.text import Text


@dataclass(frozen=True, slots=True)
class PrincipalFacts:
    """A user. Of a system's versions the newest is `current`; the others wait to be retired."""

    user: str
    department: str | None
    system: str | None
    version: int | None
    current: bool


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A new version of a system's credentials. `older` ones still work."""

    user: str
    file: Path
    older: tuple[str, ...]


def list_principals(settings: Settings) -> list[PrincipalFacts]:
    """Everybody who can log in."""
    names = list_users(admin(settings))
    newest: dict[tuple[str, str], int] = {}
    for user in filter(None, map(read_user, names)):
        newest[user[:2]] = max(newest.get(user[:2], 0), user.version)
    return [_facts(name, newest) for name in names]


def _facts(name: str, newest: dict[tuple[str, str], int]) -> PrincipalFacts:
    user = read_user(name)
    if user is None:
        return PrincipalFacts(name, None, None, None, True)
    return PrincipalFacts(name, *user, newest[user[:2]] == user.version)


def hand_over(settings: Settings, department: str, system: str, to: Path) -> HandedOver:
    """Make a system's next credentials and write them to a file. Those it has go on working until they are retired.

    Raises ConfigError for a file that exists already (a password is not written over another) or cannot be written, and for
    a cluster that is unsecured.
    """
    if to.exists():
        raise ConfigError(
            Text("the file exists already.", "文件已存在。"),
            where=str(to),
            hint=Text("Name another: nothing is written over credentials.", "请另选文件名: 不会覆盖已有凭据。"),
        )
    client = admin(settings)
    if held(client) is None:
        raise ConfigError(
            Text("this cluster is unsecured: nobody logs in to it.", "此集群未加安全防护, 无需登录。"),
            where=settings.bootstrap_servers,
            hint=Text("Start a secured one: bus up --secure.", "请启动安全集群: bus up --secure。"),
        )
    names = list_users(client)
    user = next_user(names, department, system)
    older = tuple(n for n in names if (u := read_user(n)) and u[:2] == user[:2])
    made = make_users(client, [str(user)])[0]
    assert settings.bootstrap_servers is not None
    try:
        write_credentials(to, made, settings.bootstrap_servers, _authority(settings))
    except ConfigError:
        remove_users(client, [made.name])  # a password nobody will ever know
        raise
    follow_users(settings)
    return HandedOver(made.name, to, older)


def retire(settings: Settings, department: str, system: str, *, every: bool = False) -> tuple[str, ...]:
    """Remove a system's credentials but the newest; with `every` those too. Their names. ConfigError if there are none."""
    client = admin(settings)
    mine = sorted(
        (u for n in list_users(client) if (u := read_user(n)) and u[:2] == (department, system)),
        key=lambda u: u.version,
    )
    gone = tuple(str(u) for u in (mine if every else mine[:-1]))
    if not mine:
        raise ConfigError(
            Text(
                f"{department} has no system '{system}' with credentials.",
                f"{department} 没有持有凭据的系统 '{system}'。",
            ),
            hint=Text("'bus principal list' shows who has.", "可用 'bus principal list' 查看。"),
        )
    remove_users(client, gone)
    follow_users(settings)
    return gone


def follow_users(settings: Settings) -> None:
    """ACLs as users and what is in force want them."""
    client = admin(settings)
    found = held(client)
    if found is not None:
        users = users_by_department(list_users(client))
        repair(client, drift(wanted(state(settings), users), found))


def _authority(settings: Settings) -> str:
    return settings.ssl_ca_pem or (settings.ssl_ca_location.read_text() if settings.ssl_ca_location else "")
