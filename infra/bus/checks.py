"""What `bus doctor` looks at: the machine and the embedded cluster, the key, and the control log."""

from __future__ import annotations

from collections.abc import Iterator

from infra.bus.reach import reach
from infra.cluster import Check, doctor, is_loopback
from infra.control import state
from infra.runtime.custodian import existing_keys
from infra.runtime.settings import Settings
from schemas.errors import BusError
from schemas.text import Text


def all_checks(settings: Settings) -> list[Check]:
    """Every check, in the order a person would want to mend them."""
    found = [] if settings.bootstrap_servers else doctor(settings.home)
    found += [_key(settings), _metrics(settings)]
    if any(c.level == "fail" or (c.name == "state" and c.level == "warn") for c in found):
        return found
    return [*found, *_cluster(settings)]


def _key(settings: Settings) -> Check:
    try:
        ring = existing_keys(settings)
    except BusError as error:
        return _failed("master key", error)
    if ring is None:
        return Check(
            "master key",
            "warn",
            Text(f"there is none yet in {settings.key_file}.", f"{settings.key_file} 中尚无主密钥。"),
            Text("It is made when first needed.", "首次需要时自动生成。"),
        )
    own = ring.secrets[ring.current]
    return Check(
        "master key",
        "ok",
        Text(
            f"version {own.version} ({own.suite}), fingerprint {own.fingerprint}.",
            f"第 {own.version} 版({own.suite}), 指纹 {own.fingerprint}。",
        ),
    )


def _metrics(settings: Settings) -> Check:
    host = settings.metrics_host
    if is_loopback(host):
        return Check("metrics", "ok", Text(f"served on {host} only.", f"仅在 {host} 提供。"))
    return Check(
        "metrics",
        "warn",
        Text(
            f"served on {host}: other machines see them, without a password.",
            f"在 {host} 提供: 其他主机无需口令即可查看。",
        ),
        Text("Unset BUS_METRICS_HOST, or let a firewall decide who.", "请取消 BUS_METRICS_HOST, 或由防火墙限制来源。"),
    )


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
