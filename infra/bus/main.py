"""The `bus` command: the one composition root. Each verb group is a file; this one runs them and turns failures into words.

Nothing is imported here before `run` has settled what Ctrl-C means: an import cut short shows a traceback.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any


def run() -> None:
    """The entry point."""
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # as a shell has it for what runs in the background
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing has begun, so there is nothing to give back or to say
    sys.exit(main(sys.argv[1:]))


def main(argv: list[str]) -> int:
    """Run one command line; its exit code."""
    from infra.bus import failures
    from infra.bus.invoke import invoke
    from infra.bus.session import Session, read_globals
    from schemas.errors import BusError

    session = Session()
    signal.signal(signal.SIGTERM, _end)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)
    try:
        session, rest = read_globals(argv, os.environ)
        return invoke(session, rest)
    except BusError as error:
        return failures.report(session, error)
    except KeyboardInterrupt:
        return failures.interrupted(session)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at its end
        return 1
    except Exception as error:  # noqa: BLE001 - the last line of defence: one message, never a traceback
        return failures.unexpected(session, error, _home())


def _end(_signal: int, _frame: object) -> None:
    """SIGTERM ends a command as Ctrl-C does: everything it holds is given back."""
    raise KeyboardInterrupt


def _home() -> Any:
    from pathlib import Path

    return Path(os.environ.get("BUS_HOME", ".bus"))


if __name__ == "__main__":
    run()
