"""Every way `bus` can fail, as one message and an exit code.

    0    done                      2    a person can mend it (file, setting, command line)
    1    a proven fault            75   out of reach for now: try again later (EX_TEMPFAIL)
    70   a fault of this program   130  interrupted

Unexpected exceptions go to a file, without the texts of the exceptions: these may quote what a record held.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from infra.bus.output import as_json
from infra.bus.session import Session, in_colour
from schemas.characters import visible
from schemas.errors import BusError, TransientError
from schemas.text import Text

FAULT = 70
INTERRUPTED = 130
TRY_LATER = 75


def exit_code(error: BusError) -> int:
    """The exit code of an error of ours."""
    return TRY_LATER if isinstance(error, TransientError) else error.exit_code


def report(session: Session, error: BusError) -> int:
    """Print the message; the exit code."""
    message = error.message(session.language)
    if session.json:
        sys.stderr.write(as_json({"error": {"where": error.where, "message": message}}) + "\n")
        return exit_code(error)
    word = session.say("error", "错误")
    if in_colour():
        word = f"\x1b[31m{word}\x1b[0m"
    place = f"{error.where}: " if error.where else ""
    sys.stderr.write(f"{word}: {visible(place + message)}\n")  # a name out of a file may hold what acts on a terminal
    return exit_code(error)


def interrupted(session: Session) -> int:
    """Ctrl-C, or a request to end, before there was a result."""
    said = session.say("interrupted.", "已中断。")
    if session.json:
        said = as_json({"error": {"where": None, "message": said}})
    sys.stderr.write(("\n" if sys.stderr.isatty() else "") + said + "\n")
    return INTERRUPTED


def unexpected(session: Session, error: BaseException, home: Path) -> int:
    """A fault of this program: one line for the person, the way there in a file."""
    path = _record(error, home)
    report(
        session,
        BusError(
            Text(
                f"a fault in the bus itself ({type(error).__name__}).",
                f"总线程序自身故障({type(error).__name__})。",
            ),
            hint=Text(f"Please report it with {path}.", f"请附上 {path} 报告此问题。"),
        ),
    )
    return FAULT


def _record(error: BaseException, home: Path) -> Path:
    lines: list[str] = []
    current: BaseException | None = error
    while current is not None:
        lines += [type(current).__name__ + "\n", *traceback.format_tb(current.__traceback__), "\n"]
        current = current.__cause__ or current.__context__
    name = f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.log"
    for folder in (home / "faults", Path(tempfile.gettempdir()) / f"exchange-bus-{os.getuid()}"):
        try:
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            path = folder / name
            path.touch(mode=0o600)
            path.write_text("".join(lines), encoding="utf-8")
        except OSError:
            continue
        return path
    return Path(os.devnull)
