"""One process that can be started, killed, frozen and started again, and is gone when we are."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from infra.cluster.processes import die_with

_STOP_S = 20.0
_FIRST_WAIT_S, _LONGEST_WAIT_S, _HEALTHY_S = 0.2, 5.0, 20.0


@dataclass(frozen=True, slots=True)
class Exit:
    """A process that ended by itself."""

    machine: str
    code: int
    at: float


@dataclass
class Machine:
    """A process with a name. `wanted`: whether it should run now; `tend` starts it again where it ended by itself.

    It must be started from the thread that lives longest: Linux kills it when that thread ends, however that ends.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    folder: Path
    user: str | None = None
    stops_with: signal.Signals = signal.SIGTERM
    wanted: bool = False
    process: subprocess.Popen[bytes] | None = None
    exits: list[Exit] = field(default_factory=list)
    _started_at: float = 0.0
    _next_at: float = 0.0
    _wait_s: float = _FIRST_WAIT_S

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it, if it does not run."""
        self.wanted = True
        if self.alive:
            return
        self._started_at = time.monotonic()
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                user=self.user,
                start_new_session=True,
                preexec_fn=die_with(os.getpid(), signal.SIGKILL),  # noqa: PLW1509 - two system calls, no lock of ours
            )

    def kill(self) -> None:
        """kill -9, of it and of everything it started; it stays dead until `start`."""
        self.wanted = False
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> int | None:
        """Asked to end, killed after 20 s; its exit code."""
        self.wanted = False
        if self.process is None:
            return None
        if self.alive:
            self.process.send_signal(self.stops_with)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOP_S)
        code = self.process.poll()
        self.kill()
        return code

    def freeze(self) -> None:
        """SIGSTOP."""
        if self.alive and self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)

    def tend(self) -> None:
        """As a supervisor: start it again where it ended by itself, at once and then more slowly."""
        now = time.monotonic()
        if not self.wanted or self.alive or self.process is None:
            return
        if not self.exits or self.exits[-1].at < self._started_at:
            self._wait_s = _FIRST_WAIT_S if now - self._started_at > _HEALTHY_S else self._wait_s
            self.exits.append(Exit(self.name, self.process.wait(), now))
            self._next_at = now + self._wait_s
            self._wait_s = min(self._wait_s * 2, _LONGEST_WAIT_S)
        if now >= self._next_at:
            self.start()
