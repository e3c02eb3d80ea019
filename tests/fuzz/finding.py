"""What was found: the fault, the seed it came of, the smallest input and how to see it again, in a file each."""

from __future__ import annotations

import json
import os
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.target import Target

SLOWEST_S = 5.0
"""Seconds of work a case may take; hostile input that takes longer is a finding too."""


class TooSlowError(Exception):
    """A case took longer than it may."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A case of a target that shows a fault. `number` and `seed` give the case as it was before it was made smaller."""

    target: str
    seed: int
    number: int
    fault: str
    case: Any
    trace: tuple[str, ...] = ()

    def write(self, folder: Path) -> Path:
        """The file it is kept in, written."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.target}-{self.seed}-{self.number}.json"
        path.write_text(json.dumps({**asdict(self), "replay": f"python -m tests.fuzz --replay {path}"}, indent=1))
        return path


class Note:
    """The case being judged, in a file that outlives the process: a crash of native code leaves nothing else."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "now.json"

    def write(self, target: str, seed: int, number: int, case: Any) -> None:
        """Take note of a case."""
        noted = {"target": target, "seed": seed, "number": number, "case": case}
        self._path.write_text(json.dumps(noted))

    @staticmethod
    def read(folder: Path) -> dict[str, Any]:
        """The case noted last."""
        noted: dict[str, Any] = json.loads((folder / "now.json").read_bytes())
        return noted


def judged(target: Target, case: Any) -> tuple[bool, BaseException | None]:
    """Whether the target accepted the case, and the fault it shows, if any."""
    try:
        with _hurried():
            return target.check(case), None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - a panic of native code is no Exception
        return False, error


def failure_of(target: Target, case: Any) -> str | None:
    """What goes wrong with a case, and where; None if nothing does."""
    error = judged(target, case)[1]
    return None if error is None else told(error)


def told(error: BaseException) -> str:
    """Kind and place of a fault, without what the case held."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "site-packages" not in f.filename and "/lib/python" not in f.filename]
    last = ([f for f in ours if Path(f.filename).is_file()] or ours or frames)[-1]
    said = f" ({error})" if isinstance(error, (AssertionError, TooSlowError)) and "\n" not in str(error) else ""
    return f"{type(error).__name__}{said} at {'/'.join(Path(last.filename).parts[-3:])}:{last.lineno}"


def crash_of(target: Target, case: Any) -> str | None:
    """The signal that ends a process which judges the case; None if it ends by itself."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        signal.alarm(int(SLOWEST_S) * 2)
        judged(target, case)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    return f"the process ended by {signal.Signals(os.WTERMSIG(status)).name}" if os.WIFSIGNALED(status) else None


@contextmanager
def _hurried() -> Iterator[None]:
    """TooSlowError for what takes too long, as soon as the interpreter looks up."""

    def late(_signal: int, _frame: object) -> None:
        raise TooSlowError(f"longer than {SLOWEST_S} s")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SLOWEST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
