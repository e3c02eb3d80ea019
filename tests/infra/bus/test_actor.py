"""Who a command says has run it is what can be proven here, never a flag."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from infra.bus.actor import actor
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from tests.kit.approving import Office


def private_key(office: Office, person: str, path: Path) -> Path:
    key = office.keys[person]
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def test_the_person_is_whose_key_it_is(tmp_path: Path) -> None:
    office = Office(tmp_path / "signers")
    office.admit("li", "shuiwu")
    identity = private_key(office, "li", tmp_path / "li.pem")
    assert actor(Settings(signers=office.folder, identity=identity)) == "li@shuiwu"
    office.strike("li", "shuiwu")
    with pytest.raises(ConfigError, match="does not know the key"):
        actor(Settings(signers=office.folder, identity=identity))
    assert actor(Settings(identity=identity)).startswith("key ")


def test_without_a_key_it_is_who_the_cluster_knows_else_the_systems_user() -> None:
    secured = Settings(security_protocol="SASL_SSL", sasl_username="bus.control")
    assert actor(secured) == "bus.control"
    assert "@" in actor(Settings(sasl_username="bus.control"))
