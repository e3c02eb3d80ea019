"""Who can log in to a secured cluster, and what they may do there: users and the ACLs that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient

from infra.cluster import Progress, Silent
from infra.cluster.quotas import drop_quotas, read_quotas, set_quotas, tool
from infra.control.access import repair_acls
from infra.control.listing import state
from infra.runtime.kafka import admin
from infra.runtime.settings import Settings
from infra.security.follow import follow
from infra.security.handing_over import write_credentials
from infra.security.principals import (
    list_users,
    make_users,
    next_user,
    read_user,
    remove_users,
)
from infra.security.quotas import Quota
from infra.security.reconcile import held
from schemas.errors import ConfigError
from schemas.text import Text

_QUOTAS = Text("Quotas, by Kafka's own tool", "通过 Kafka 自带工具处理配额")


@dataclass(frozen=True, slots=True)
class PrincipalFacts:
    """A user. Of a system's versions the newest is `current`; the others wait to be retired."""

    user: str
    department: str | None
    system: str | None
    version: int | None
    current: bool


@dataclass(frozen=True, slots=True)
class QuotaFacts:
    """What a user may take: MB/s and per cent of a broker's thread. `own`: it has one of its own. `user` None: everybody."""

    user: str | None
    own: bool
    write: float | None
    read: float | None
    requests: float | None


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


def hand_over(settings: Settings, department: str, system: str, to: Path, told: Progress | None = None) -> HandedOver:
    """Make a system's next credentials and write them to a file. Those it has go on working until they are retired; what
    it may take is what the newest of them may.

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
    if older:
        _inherit(settings, str(user), max(older, key=_version), told or Silent())
    made = make_users(client, [str(user)])[0]
    address = settings.outside_servers or settings.bootstrap_servers
    assert address is not None
    try:
        write_credentials(to, made, address, _authority(settings))
    except ConfigError:
        remove_users(client, [made.name])  # a password nobody will ever know
        raise
    repair_acls(settings, [department])
    return HandedOver(made.name, to, older)


def retire(
    settings: Settings, department: str, system: str, *, every: bool = False, told: Progress | None = None
) -> tuple[str, ...]:
    """Remove a system's credentials but the newest; with `every` those too. Their names. ConfigError if there are none.

    At once they open nothing any more, not on open connections either: their rights go with them. Quotas go last.
    """
    client = admin(settings)
    mine = _versions(client, department, system)
    gone = mine if every else mine[:-1]
    if gone:
        remove_users(client, gone)
        follow(settings, state(settings))
        progress = told or Silent()
        installed = tool(settings, progress)
        progress.step(_QUOTAS)
        own = read_quotas(settings, installed)
        drop_quotas(settings, installed, {user: own[user] for user in gone if user in own})
    return gone


def list_quotas(settings: Settings, told: Progress | None = None) -> list[QuotaFacts]:
    """Everybody's quota, then what each user may take. Raises what `read_quotas` does."""
    progress = told or Silent()
    installed = tool(settings, progress)
    progress.step(_QUOTAS)
    found = read_quotas(settings, installed)
    default = found.get(None, Quota())
    users = sorted({*list_users(admin(settings)), *(u for u in found if u is not None)})
    return [_quota(None, default, default), *(_quota(u, found.get(u), default) for u in users)]


def set_quota(
    settings: Settings, system: tuple[str, str] | None, quota: Quota, told: Progress | None = None
) -> list[QuotaFacts]:
    """Change what a system (department, name; all its versions) may take, or everybody (None). What `quota` leaves out stays.

    Raises ConfigError for a system without credentials or a quota that lets nothing through, and what `set_quotas` does.
    """
    quota.check()
    users: tuple[str | None, ...] = (None,) if system is None else _versions(admin(settings), *system)
    progress = told or Silent()
    installed = tool(settings, progress)
    progress.step(_QUOTAS)
    set_quotas(settings, installed, dict.fromkeys(users, quota))
    found = read_quotas(settings, installed)
    default = found.get(None, Quota())
    return [_quota(user, found.get(user), default) for user in users]


def _quota(user: str | None, own: Quota | None, default: Quota) -> QuotaFacts:
    whole = (own or Quota()).over(default)
    return QuotaFacts(user, own is not None, whole.write, whole.read, whole.requests)


def _inherit(settings: Settings, user: str, before: str, progress: Progress) -> None:
    """Before the user exists, so that it never has more than its predecessor."""
    installed = tool(settings, progress)
    progress.step(_QUOTAS)
    own = read_quotas(settings, installed).get(before)
    if own:
        set_quotas(settings, installed, {user: own})


def _versions(client: AdminClient, department: str, system: str) -> tuple[str, ...]:
    """A system's users, oldest first. ConfigError if it has none."""
    mine = [n for n in list_users(client) if (u := read_user(n)) and u[:2] == (department, system)]
    if not mine:
        raise ConfigError(
            Text(
                f"{department} has no system '{system}' with credentials.",
                f"{department} 没有持有凭据的系统 '{system}'。",
            ),
            hint=Text("'bus principal list' shows who has.", "可用 'bus principal list' 查看。"),
        )
    return tuple(sorted(mine, key=_version))


def _version(name: str) -> int:
    user = read_user(name)
    return user.version if user else 0


def _authority(settings: Settings) -> str:
    return settings.ssl_ca_pem or (settings.ssl_ca_location.read_text() if settings.ssl_ca_location else "")
