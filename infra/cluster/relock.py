"""Writes `artefacts.lock` anew: `python -m infra.cluster.relock` (a developer's tool; needs Maven, which users do not).

Maven resolves the dependency sets below into a throw-away folder; what it fetched is measured and written down. The
result is committed and reviewed like source: from then on only these exact bytes ever run.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from infra.cluster.artefacts import tree_digest
from infra.cluster.lock import LOCK_FILE

_KAFKA = "4.2.0"
_REGISTRY = "3.0.9"

_POM = f"""<project><modelVersion>4.0.0</modelVersion>
<groupId>bus</groupId><artifactId>lock</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{_KAFKA}</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.3</version>
  <exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>
</dependencies></project>
"""


def lock_lines(folder: Path) -> list[str]:
    """`sha256 size path` of every jar and archive below `folder`, a Maven repository layout, sorted by path."""
    lines = []
    for file in sorted(p for p in folder.rglob("*") if p.name.endswith((".jar", ".tar.gz"))):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        path = file.relative_to(folder).as_posix()
        lines.append(f"{digest} {file.stat().st_size} {path}")
        if path.endswith(".tar.gz"):
            lines.append(_unpacked_line(file, path))
    return lines


def _unpacked_line(archive: Path, path: str) -> str:
    """The line of what an archive unpacks to: its tree's digest, total size, and the path with a slash at its end."""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        return f"{tree_digest(Path(folder))} {size} {path.removesuffix('.tar.gz')}/"


def main() -> int:
    """Resolve, measure, write; returns Maven's exit code when it fails."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "pom.xml").write_text(_POM, encoding="utf-8")
        out = folder / "out"
        archive = f"io.apicurio:apicurio-registry-app:{_REGISTRY}:tar.gz:all"
        beside = out / "io/apicurio/apicurio-registry-app" / _REGISTRY
        for goal in (
            [
                "dependency:copy-dependencies",
                "-DincludeScope=runtime",
                "-Dmdep.useRepositoryLayout=true",
                f"-DoutputDirectory={out}",
            ],
            # The archive carries its own libraries, so it is taken alone; this goal does not know Maven's layout.
            ["dependency:copy", f"-Dartifact={archive}", f"-DoutputDirectory={beside}"],
        ):
            done = subprocess.run(["mvn", "-q", "-B", *goal], cwd=folder, check=False)
            if done.returncode:
                return done.returncode
        lines = lock_lines(out)
    head = "# sha256, size in bytes, path in a Maven repository; written by `python -m infra.cluster.relock`"
    LOCK_FILE.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    sys.stderr.write(f"{LOCK_FILE}: {len(lines)} lines\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
