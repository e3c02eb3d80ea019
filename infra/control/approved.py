"""The approval a grant is opened with. Pure."""

from __future__ import annotations

from schemas.approval import Approval
from schemas.errors import ConfigError
from schemas.grant import Grant
from schemas.policy_state import GrantInForce
from schemas.text import Text


def approval_for(
    where: str, grant: Grant, current: GrantInForce | None, view: str, given: Approval | None, *, required: bool
) -> Approval | None:
    """What both sides signed of this grant: what is given, or what it already carries and goes on with under other keys.

    view       fingerprint of the view's schema as it is now
    required   whether it is known who may sign: then nothing is opened that nobody signed, because the exchange would
               withhold it, and another document takes a higher version. ConfigError says so
    """
    same = current is not None and current.grant == grant
    if given is None and current is not None and same and current.fingerprint == view:
        given = current.approval
    if not required:
        return given
    if given is None:
        raise ConfigError(
            Text(
                f"grant '{grant.id}' carries no approval; where it is known who may sign (BUS_SIGNERS), the exchange "
                "releases nothing under it.",
                f"授权 '{grant.id}' 未附审批; 已配置签名人(BUS_SIGNERS)时, 交换引擎不会据此放行。",
            ),
            where=where,
            hint=Text("Apply for it: bus application new FILE.", "请提出申请: bus application new FILE。"),
        )
    if current is not None and not same and grant.version <= current.grant.version:
        raise ConfigError(
            Text(
                f"version {current.grant.version} of grant '{grant.id}' is another document.",
                f"授权 '{grant.id}' 第 {current.grant.version} 版内容不同。",
            ),
            where=f"{where}: version",
            hint=Text(
                f"A changed grant is approved anew, as version {current.grant.version + 1} or later.",
                f"变更的授权须重新审批, 版本不低于 {current.grant.version + 1}。",
            ),
        )
    return given
