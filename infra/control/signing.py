"""A provider signs what its new contract protects less than the one in force."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infra.control.listing import state
from infra.control.signatures import SUFFIX, sign
from infra.runtime.settings import Settings
from schemas.contract import Contract, load_contract
from schemas.errors import ConfigError
from schemas.signature import contract_change
from schemas.text import Text
from stream_apps.policy.weakening import weakened


@dataclass(frozen=True, slots=True)
class Change:
    """A contract beside the one it is to replace, in force since an epoch, and what it protects less."""

    file: Path
    contract: Contract
    replaces: Contract
    since: int
    weakened: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature was written. `key`: id of the key that made it."""

    file: Path
    signature: Path
    resource: str
    provider: str
    key: str
    weakened: tuple[Text, ...]


def change_in(settings: Settings, file: Path) -> Change:
    """What the contract in a file would change, by the control log. ConfigError if nothing of the resource is in force."""
    contract = load_contract(file)
    current = state(settings.located()).contracts.get(contract.id)
    if current is None:
        raise ConfigError(
            Text(
                f"no contract of '{contract.id}' is in force: the first one needs no signature.",
                f"没有生效的数据契约 '{contract.id}': 首次发布无需签名。",
            ),
            where=str(file),
        )
    return _change(file, contract, current.contract, current.epoch)


def change_between(file: Path, replaces: Path, since: int) -> Change:
    """The same where the control log is out of reach: against a file that holds the contract in force since an epoch."""
    return _change(file, load_contract(file), load_contract(replaces), since)


def sign_change(change: Change, private_key: Path) -> Signed:
    """Sign it and write the signature beside the contract. ConfigError for a key that is none, or a file not writable."""
    said = contract_change(change.contract.source, change.replaces.source, change.since)
    signature = sign(private_key, said)
    path = change.file.with_name(change.file.name + SUFFIX)
    try:
        path.write_text(f"{signature}\n", encoding="ascii")
    except OSError as error:
        raise ConfigError(
            Text(f"cannot be written: {error.strerror}.", f"无法写入: {error.strerror}。"), where=str(path)
        ) from error
    provider = change.replaces.resource.provider
    return Signed(change.file, path, change.contract.id, provider, signature.key, change.weakened)


def _change(file: Path, contract: Contract, replaces: Contract, since: int) -> Change:
    if contract.id != replaces.id:
        raise ConfigError(
            Text(
                f"it is of '{contract.id}', the other of '{replaces.id}'.",
                f"资源为 '{contract.id}', 而另一份属于 '{replaces.id}'。",
            ),
            where=f"{file}: resource.id",
        )
    return Change(file, contract, replaces, since, tuple(weakened(replaces, contract)))
