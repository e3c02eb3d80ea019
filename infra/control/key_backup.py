"""The key ring's backup: whoever loses the ring can never again give a subscriber the same pseudonyms.

Neither needs the cluster: a backup is made before there is one, and restored before it is reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infra.runtime.custodian import by_command, existing_keys, key_path
from infra.runtime.key_command import ORIGIN
from infra.runtime.key_file import keep_ring, write_new
from infra.runtime.settings import Settings
from infra.security.wrapping import unwrap, wrap
from schemas.errors import ConfigError
from schemas.key_ring import KeyRing
from schemas.text import Text
from schemas.validation import read_text


@dataclass(frozen=True, slots=True)
class KeptRing:
    """A ring that lies in `file`, wrapped or not. `new`: it was not there before."""

    file: Path
    versions: tuple[int, ...]
    current: int
    fingerprint: str
    new: bool = True


def back_up(settings: Settings, to: Path, passphrase: str) -> KeptRing:
    """Write the custodian's ring, wrapped, into a new file (0600), having opened it once to see that it opens.

    Raises ConfigError if there are no keys yet, for a short passphrase, or a file that exists or cannot be written.
    """
    ring = existing_keys(settings)
    if ring is None:
        raise ConfigError(
            Text("there is no master key yet.", "尚无主密钥。"),
            where=str(settings.key_file),
            hint=Text("It is made when first needed.", "首次需要时自动生成。"),
        )
    text = wrap(ring, passphrase)
    if unwrap(text, passphrase, str(to)) != ring:
        raise AssertionError("a wrapped ring that opens as another")
    write_new(to, text)
    return _facts(to, ring)


def restore(settings: Settings, file: Path, passphrase: str) -> KeptRing:
    """Put a backup's ring where the custodian's file is to be; nothing is done where the same ring is there already.

    Raises ConfigError if the custodian is a command, another ring is there (nothing is written over keys), the passphrase is
    wrong, or the backup is none.
    """
    if by_command(settings):
        raise ConfigError(
            Text("the keys come from a command, so its key store restores them.", "密钥由命令提供, 须在其密钥库恢复。"),
            where=ORIGIN,
        )
    path = key_path(settings)
    ring = unwrap(read_text(file), passphrase, str(file))
    return _facts(path, ring, new=keep_ring(path, ring))


def _facts(file: Path, ring: KeyRing, *, new: bool = True) -> KeptRing:
    return KeptRing(file, tuple(sorted(ring.secrets)), ring.current, ring.secrets[ring.current].fingerprint, new)
