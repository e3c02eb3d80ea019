"""Who runs a command, as the control log's evidence names them: the most that can be proven here, never a flag."""

from __future__ import annotations

import getpass
import os
import socket

from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from schemas.text import Text


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
    from infra.control.signatures import sign
    from infra.runtime.signers import read_signers

    assert settings.identity is not None
    said = b"who runs this"
    signature = sign(settings.identity, said)
    signers = read_signers(settings.signers, settings.provider_roles, settings.subscriber_roles)
    if signers.folder is None:
        return f"key {signature.key}"
    person = signers.verify(signature, said)
    if person is None:
        raise ConfigError(
            Text(
                f"nobody is known by the key {signature.key}.",
                f"签名人名册中没有使用密钥 {signature.key} 的人员。",
            ),
            where="BUS_IDENTITY",
            hint=Text(
                "Deposit its public half in the folder BUS_SIGNERS names, or unset BUS_IDENTITY.",
                "请在 BUS_SIGNERS 目录中登记其公钥, 或取消设置 BUS_IDENTITY。",
            ),
        )
    return f"{person.id}@{person.department}"
