"""`python -m infra.cluster.fetch`: what the cluster runs, downloaded and verified, nothing started; for building images."""

from __future__ import annotations

import sys

from infra.cluster.artefacts import default_cache, ensure
from infra.cluster.lock import read_lock
from infra.cluster.progress import Plain
from infra.runtime.settings import Settings


def main() -> int:
    """Raises what downloading raises."""
    ensure(read_lock(), default_cache(), Settings().maven_repository, Plain())
    return 0


if __name__ == "__main__":
    sys.exit(main())
