"""The application desk: people file and decide with keys of their own, over a user that can do nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.control import apply_contract, revoke, state
from infra.control.applications.cases import approve, draft, submit
from infra.control.applications.granting import grant_approved
from infra.control.applications.log import act, read_cases
from infra.control.applications.shown import show_application
from infra.control.destruction import confirm_destroyed
from infra.runtime.settings import Settings
from infra.security.acls import APPLICATIONS
from schemas.errors import BusError
from tests.infra.control.applications.office import Office, application
from tests.infra.control.world import NOW, contract
from tests.infra.security.conftest import SecureCluster


def test_the_whole_way_of_an_application_needs_no_control_credential_but_to_grant_and_to_end(
    secure_cluster: SecureCluster, tmp_path: Path, unique: str
) -> None:
    office = Office(tmp_path)
    file = secure_cluster.home / "security" / "credentials" / f"{APPLICATIONS}.yaml"
    desk = secure_cluster.settings_for(file)
    assert desk.sasl_username == APPLICATIONS
    apply_contract(secure_cluster.settings, contract(f"{unique}.r"))
    read_cases(secure_cluster.settings)  # as the controller does: makes the log

    def at_desk(name: str) -> Settings:
        return office.as_(desk, name)

    draft(at_desk("clerk.sw"), application(id=unique, items=[{"resources": [f"{unique}.r"]}]))
    submit(at_desk("clerk.sw"), unique)
    for who in ("head.sw", "head.sc"):
        approve(at_desk(who), unique)
    name, control = f"{unique}.1", office.as_(secure_cluster.settings, "head.sw")
    with pytest.raises(BusError):
        grant_approved(at_desk("head.sc"), [unique], now_ms=NOW)
    assert name not in state(secure_cluster.settings).grants
    grant_approved(control, [unique], now_ms=NOW)
    with pytest.raises(BusError):
        revoke(at_desk("head.sw"), name, now_ms=NOW)
    assert state(secure_cluster.settings).grants[name].ended is None
    revoke(control, name, now_ms=NOW)
    confirm_destroyed(at_desk("head.sw"), name, "shredded", act)
    assert show_application(at_desk("head.sc"), unique, now_ms=NOW).orders[0].by == "head.sw"
