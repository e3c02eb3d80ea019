"""Who runs a command, as the control log's evidence names them: the most that can be proven here, never a flag."""

from __future__ import annotations

import getpass
import os
import socket

from infra.runtime.settings import Settings


def actor(settings: Settings) -> str:
    """The person whose key BUS_IDENTITY holds, else the name the cluster knows this process by, else the system's user.

    ConfigError for a key that no signer is known by, where signers are known: a name that proves nothing is not written.
    """
    if settings.identity is not None:
        return _person(settings)
    if settings.security_protocol.startswith("SASL") and settings.sasl_username:
        return settings.sasl_username
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def _person(settings: Settings) -> str:
    from infra.control.identity import identity
    from infra.control.signatures import read_private_key
    from infra.runtime.signers import signers_of
    from schemas.signature import key_id

    signers = signers_of(settings)
    if signers.folder is None:
        assert settings.identity is not None
        return f"key {key_id(read_private_key(settings.identity).public)}"
    person = identity(settings, signers).person
    return f"{person.id}@{person.department}"
