"""Running `bus` as a person does: a process, its output, its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def bus(*arguments: object, home: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """One run without a terminal, in an environment that names no cluster but what `environ` says."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("BUS_", "LC_", "LANG"))}
    command = [sys.executable, "-m", "infra.bus", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
        env=clean | {"BUS_HOME": str(home), "PYTHONIOENCODING": "utf-8"} | environ,
    )
