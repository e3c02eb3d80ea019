"""What `bus doctor` looks at: the machine and the embedded cluster, the key, and the control log."""

from __future__ import annotations

from collections.abc import Iterator

from infra.bus.reach import reach
from infra.cluster import Check, doctor
from infra.control import state
from infra.runtime.custodian import MasterKey, read_key
from infra.runtime.settings import Settings
from schemas.errors import BusError
from schemas.text import Text


def all_checks(settings: Settings) -> list[Check]:
    """Every check, in the order a person would want to mend them."""
    found = [] if settings.bootstrap_servers else doctor(settings.home)
    found.append(_key(settings))
    if any(c.level == "fail" or (c.name == "state" and c.level == "warn") for c in found):
        return found
    return [*found, *_cluster(settings)]


def _key(settings: Settings) -> Check:
    path = settings.key_file
    if not path.exists():
        return Check(
            "master key",
            "warn",
            Text(f"there is none yet in {path}.", f"{path} 中尚无主密钥。"),
            Text("It is made when first needed.", "首次需要时自动生成。"),
        )
    try:
        key = MasterKey(read_key(path), path)
    except BusError as error:
        return _failed("master key", error)
    return Check("master key", "ok", Text(f"fingerprint {key.fingerprint}.", f"指纹 {key.fingerprint}。"))


def _cluster(settings: Settings) -> Iterator[Check]:
    try:
        located = settings.located()
        found = reach(located)
        yield Check(
            "cluster", "ok", Text(f"answers, {found['topics']} topics.", f"可用, 共 {found['topics']} 个主题。")
        )
        policy = state(located)
    except BusError as error:
        yield _failed("cluster", error)
        return
    live = sum(g.ended is None for g in policy.grants.values())
    yield Check(
        "control log",
        "ok",
        Text(
            f"whole up to {policy.epoch}: {len(policy.contracts)} contracts, {live} active grants.",
            f"完整至 {policy.epoch}: {len(policy.contracts)} 份契约, {live} 项生效授权。",
        ),
    )


def _failed(name: str, error: BusError) -> Check:
    place = f"{error.where}: " if error.where else ""
    return Check(name, "fail", Text(place + error.what.en, place + error.what.zh), error.hint)
