"""The lock: which files of Maven Central run on this machine, byte for byte.

`artefacts.lock` is the whole supply chain of the embedded cluster. A file that differs in one bit is never started.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LOCK_FILE = Path(__file__).with_name("artefacts.lock")
_KAFKA = "org/apache/kafka/kafka_2.13/"
_REGISTRY = "io/apicurio/apicurio-registry-app/"


@dataclass(slots=True, frozen=True)
class Artefact:
    """One locked file: `path` in a Maven repository, `size` in bytes, `sha256` in lower-case hex."""

    path: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rsplit("/", 1)[1]

    @property
    def version(self) -> str:
        """The version, which Maven's layout puts in the folder name."""
        return self.path.split("/")[-2]


@dataclass(slots=True, frozen=True)
class Lock:
    """Every locked artefact: `jars` make the broker's class path, `registry` is the registry's archive."""

    jars: tuple[Artefact, ...]
    registry: Artefact
    registry_tree: str
    """Digest of the folder the archive unpacks to (`artefacts.tree_digest`)."""

    @property
    def all(self) -> tuple[Artefact, ...]:
        """Largest first, so that the longest download starts at once."""
        return tuple(sorted((*self.jars, self.registry), key=lambda artefact: -artefact.size))

    @property
    def registry_folder(self) -> str:
        """Where in the cache the registry is unpacked."""
        return self.registry.path.removesuffix(".tar.gz") + "/"

    @property
    def kafka_version(self) -> str:
        """The broker's version."""
        return next(jar.version for jar in self.jars if jar.path.startswith(_KAFKA))


def read_lock(file: Path = LOCK_FILE) -> Lock:
    """The committed lock. It ships with the code, so a malformed one is a bug and raises ValueError as it comes."""
    jars, registry, tree = [], None, None
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        sha256, size, path = line.split()
        if path.endswith("/"):
            tree = sha256
        elif path.startswith(_REGISTRY):
            registry = Artefact(path, int(size), sha256)
        else:
            jars.append(Artefact(path, int(size), sha256))
    if registry is None or tree is None:
        raise ValueError(f"{file}: no registry archive, or not what it unpacks to")
    return Lock(tuple(jars), registry, tree)
