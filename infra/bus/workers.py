"""Processes under measurement: started with the cluster's addresses, ended for sure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from infra.cluster.processes import die_with
from infra.runtime.settings import Settings

_STOP_S = 15.0


@contextmanager
def process(settings: Settings, module: str, arguments: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m module arguments`, pointed at the cluster of `settings`; its output goes to `log`.

    It ends with this process, however that ends. On leaving it is asked to stop (SIGTERM), and killed with everything it started if it does not within 15 s.
    """
    environment = os.environ | {
        "BUS_HOME": str(settings.home),
        "BUS_BOOTSTRAP_SERVERS": settings.bootstrap_servers or "",
        "BUS_REGISTRY_URL": settings.registry_url or "",
        "BUS_KEY_FILE": str(settings.key_file),
        "BUS_KEY_COMMAND": "",
        "BUS_KEY_FINGERPRINT": "",
    }
    if settings.credentials is not None:
        environment |= {"BUS_CREDENTIALS": str(settings.credentials)}
    if settings.signers is not None:
        environment["BUS_SIGNERS"] = str(settings.signers)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=out,
            stderr=out,
            env=environment,
            start_new_session=True,
            preexec_fn=die_with(os.getpid(), signal.SIGTERM),  # noqa: PLW1509 - two system calls, no lock of ours
        )
        try:
            yield child
        finally:
            _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):  # then it is killed below
            child.wait(_STOP_S)
    try:
        os.killpg(child.pid, signal.SIGKILL)  # also whatever it started and left
    except ProcessLookupError:
        return
    child.wait()
