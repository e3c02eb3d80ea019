"""The versions of the master key: announced in the control log, rotated, and what of them a subscriber is handed.

The log holds fingerprints only. They pin the secrets: whoever applies or exchanges with another secret under an announced
version is refused, because tokens of two secrets under one version would look alike and join nothing.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence

from infra.control.facts import KeyFacts, Rotated, SharedKey
from infra.runtime.custodian import existing_keys, held_keys, rotate_file
from infra.runtime.policy_log import ControlLog, PolicyReader
from infra.runtime.settings import Settings
from infra.runtime.turn import Overtaken
from schemas.clock import shanghai_date
from schemas.errors import ConfigError, TransientError
from schemas.key_ring import AnnouncedKey, KeyRing, MasterSecret, Suite
from schemas.policy_log import KeysAnnounced
from schemas.policy_state import GrantInForce, PolicyState
from schemas.sealed import SealKey
from schemas.text import Text
from stream_apps.policy import compile_view, derive_keys

_ATTEMPTS = 5


def announcements(ring: KeyRing | None, state: PolicyState, by: str, now_ms: int) -> list[KeysAnnounced]:
    """What the log does not know yet of a ring's current version and those before it.

    Raises ConfigError if the ring contradicts the log, or is older: a grant must not go back to a former key.
    """
    if ring is None:
        return []
    ring.verify(state.keys)
    newest = max(state.keys, default=0)
    if ring.current < newest:
        raise ConfigError(
            Text(
                f"this key ring is older than the control log: its current version is {ring.current}, and version "
                f"{newest} is announced.",
                f"该密钥环旧于控制日志: 其现行版本为 {ring.current}, 而第 {newest} 版已公告。",
            ),
            where=ring.origin,
            hint=Text("Bring the rotated key ring here.", "请将轮换后的密钥环复制到此处。"),
        )
    return [
        KeysAnnounced(version=v, suite=s.suite, fingerprint=s.fingerprint, until=s.until, at=now_ms, by=by)
        for v, s in sorted(ring.secrets.items())
        if v <= ring.current and state.keys.get(v) != _as_announced(s)
    ]


def without_keys(ring: KeyRing, state: PolicyState, today: dt.date) -> list[Text]:
    """Of each active grant under a key that serves no longer: that nothing is released under it, and what to do."""
    ring = ring.bounded(state.keys)
    old = [g for g in _active(state) if g.key_version != ring.current and _over(ring, g.key_version, today)]
    return [
        Text(
            f"grant {g.grant.id} is under version {g.key_version} of the master key, which serves no longer: nothing is "
            "released under it until it is applied again.",
            f"授权 {g.grant.id} 使用的第 {g.key_version} 版主密钥已停用: 重新应用之前不再放行。",
        )
        for g in old
        if _keyed(state, g)
    ]


def list_keys(settings: Settings, *, now_ms: int | None = None) -> list[KeyFacts]:
    """Every version that the custodian has or the log announced, oldest first. ConfigError if the two contradict."""
    today = shanghai_date(_now(now_ms))
    ring = existing_keys(settings)
    with PolicyReader(settings) as reader:
        state = reader.read_to_end()
    if ring is not None:
        ring.verify(state.keys)
        ring = ring.bounded(state.keys)
    own = ring.secrets if ring else {}
    users = _users(state)
    return [_facts(v, ring, state, users, today) for v in sorted({*own, *state.keys, *users})]


def rotate(
    settings: Settings, *, suite: Suite | None = None, days: int, by: str = "bus", now_ms: int | None = None
) -> Rotated:
    """Make a new current version in the custodian's file and announce it; the one before serves `days` days more.

    suite  of the new version; by default that of the one before

    Raises ConfigError where the keys are not the announced ones or the custodian is a command (nothing has changed then),
    TransientError if the new version could not be announced: the next apply of a grant does that.
    """
    now = _now(now_ms)
    until = shanghai_date(now) + dt.timedelta(days=days)
    before = held_keys(settings).ring
    with ControlLog(settings) as log:
        announcements(before, log.state, by, now)
        ring = rotate_file(settings, suite, until)
    state = _announce(settings, ring, by, now)
    new = ring.secrets[ring.current]
    again = tuple(g for v, ids in _users(state).items() if v != new.version for g in ids)
    return Rotated(new.version, new.suite, new.fingerprint, before.current, until.isoformat(), tuple(sorted(again)))


def share(settings: Settings, grant_id: str) -> SharedKey:
    """The key a grant's subscriber opens sealed values with. ConfigError if there is no such active grant or no such key."""
    with PolicyReader(settings) as reader:
        state = reader.read_to_end()
    found = state.grants.get(grant_id)
    if found is None or found.ended is not None:
        raise ConfigError(
            Text(f"there is no active grant '{grant_id}'.", f"没有生效的授权 '{grant_id}'。"),
            hint=Text("'bus grants' lists them.", "可用 'bus grants' 查看。"),
        )
    ring = held_keys(settings).ring
    ring.verify(state.keys)
    version = found.key_version
    if version not in ring.secrets:
        raise ConfigError(
            Text(f"the custodian has no version {version} of the master key.", f"密钥环中没有第 {version} 版主密钥。"),
            where=ring.origin,
            hint=Text("Bring the newest key ring here, or apply the grant again.", "请更新密钥环, 或重新应用该授权。"),
        )
    seal = derive_keys(ring, found.grant.subscriber, grant_id, version).seal()
    return SharedKey(grant_id, seal.suite, SealKey(seal.version, seal.key, seal.suite).line())


def _announce(settings: Settings, ring: KeyRing, by: str, now: int) -> PolicyState:
    """Insists: the file is rotated, and another command that was faster decides nothing about it."""
    try:
        for attempt in range(1, _ATTEMPTS + 1):
            with ControlLog(settings) as log:
                try:
                    log.append(announcements(ring, log.state, by, now))
                except Overtaken:
                    if attempt == _ATTEMPTS:
                        raise
                else:
                    return log.state
    except TransientError as error:
        raise TransientError(
            Text(
                f"the keys are rotated (version {ring.current} in {ring.origin}), but not announced: {error.what.en}",
                f"密钥已轮换({ring.origin} 中现行第 {ring.current} 版), 但尚未公告: {error.what.zh}",
            ),
            where=error.where,
            hint=Text(
                "Do not rotate again; 'bus apply' of any grant announces it.",
                "请勿再次轮换; 应用任一授权时即会公告。",
            ),
        ) from error
    raise AssertionError("unreachable")


def _facts(
    version: int, ring: KeyRing | None, state: PolicyState, users: dict[int, Sequence[str]], today: dt.date
) -> KeyFacts:
    own = ring.secrets.get(version) if ring else None
    said = state.keys.get(version)
    known = _as_announced(own) if own else said
    return KeyFacts(
        version=version,
        suite=known.suite if known else "sha256",
        fingerprint=known.fingerprint if known else "",
        current=ring is not None and version == ring.current,
        held=own is not None,
        announced=said is not None,
        until=known.until.isoformat() if known and known.until else None,
        over=ring is not None and _over(ring, version, today),
        grants=tuple(users.get(version, ())),
    )


def _as_announced(own: MasterSecret) -> AnnouncedKey:
    return AnnouncedKey(own.version, own.suite, own.fingerprint, own.until)


def _over(ring: KeyRing, version: int, today: dt.date) -> bool:
    own = ring.secrets.get(version)
    return own is None or (own.until is not None and own.until < today)


def _active(state: PolicyState) -> list[GrantInForce]:
    return [g for _, g in sorted(state.grants.items()) if g.ended is None]


def _users(state: PolicyState) -> dict[int, Sequence[str]]:
    """Active grants that depend on keys, by version."""
    out: dict[int, list[str]] = {}
    for g in _active(state):
        if _keyed(state, g):
            out.setdefault(g.key_version, []).append(g.grant.id)
    return {**out}


def _keyed(state: PolicyState, grant: GrantInForce) -> bool:
    """Whether its view needs keys; one that its contract no longer allows counts as if it did, for it may come back."""
    contract = state.contracts.get(grant.grant.resource)
    if contract is None:
        return True
    try:
        return compile_view(contract.contract, grant.grant).keyed
    except ConfigError:
        return True


def _now(now_ms: int | None) -> int:
    return int(time.time() * 1000) if now_ms is None else now_ms
