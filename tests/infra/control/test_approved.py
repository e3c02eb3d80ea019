"""Where it is known who may sign, a grant is opened with what both sides signed, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from infra.control.approved import approval_for
from schemas.approval import Approval, Countersign
from schemas.errors import ConfigError
from schemas.policy_state import GrantInForce
from schemas.signature import Signature
from tests.infra.control.world import grant

SIGNED = Countersign(by="w", signature=Signature(key="0" * 16, value="A" * 86 + "=="))
APPROVAL, OTHER = Approval(application="a", subscriber=SIGNED), Approval(application="b", subscriber=SIGNED)


def in_force(**changes: Any) -> GrantInForce:
    return GrantInForce(grant("x", **changes), 1, "t", 1, "view", 0, 0, approval=APPROVAL)


def test_a_grant_without_approval_is_opened_only_where_nobody_is_known_to_sign() -> None:
    assert approval_for("f", grant("x"), None, "view", None, required=False) is None
    with pytest.raises(ConfigError, match="carries no approval"):
        approval_for("f", grant("x"), None, "view", None, required=True)


def test_a_grant_that_goes_on_under_other_keys_keeps_its_approval_as_long_as_its_view_is_the_same() -> None:
    assert approval_for("f", grant("x"), in_force(), "view", None, required=True) == APPROVAL
    with pytest.raises(ConfigError, match="carries no approval"):
        approval_for("f", grant("x"), in_force(), "another", None, required=True)
    with pytest.raises(ConfigError, match="carries no approval"):
        approval_for("f", grant("x", purpose="more"), in_force(), "view", None, required=True)


def test_another_document_takes_a_higher_version() -> None:
    with pytest.raises(ConfigError, match="another document"):
        approval_for("f", grant("x", purpose="more"), in_force(), "view", OTHER, required=True)
    more = grant("x", purpose="more", version=2)
    assert approval_for("f", more, in_force(), "view", OTHER, required=True) == OTHER
