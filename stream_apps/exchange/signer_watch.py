"""Who may sign, kept newest: the folder of signers is read again when one of its files changes.

Who was struck off opens nothing any more a second or two later, without a restart. A folder that cannot be read twice in
a row (once may be a file in the middle of being written) trusts nobody: everything is withheld, and caught up with later.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from infra.runtime.settings import Settings
from infra.runtime.signers import NOBODY, Signers, signers_of
from schemas.errors import BusError
from stream_apps.exchange import telemetry

_LOOK_S = 1.0
_Stamp = tuple[tuple[str, int, int, int], ...]


class SignerWatch:
    """`start` once, `stop` once. Does nothing where no folder is set.

    trust   called with the signers whenever they are others than before
    failed  called with what ended the thread
    """

    def __init__(
        self, settings: Settings, trust: Callable[[Signers], None], failed: Callable[[BaseException], None]
    ) -> None:
        self._settings, self._trust, self._failed = settings, trust, failed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="signers", daemon=True)
        self._stamp: _Stamp | None = None
        self._faults = 0

    def start(self) -> None:
        """Look from now on. The first look reads, too: a change since the process started is not missed."""
        if self._settings.signers is not None:
            self._thread.start()

    def stop(self) -> None:
        """Finish the look in hand."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.wait(_LOOK_S):
                self.look()
        except BaseException as error:  # noqa: BLE001 - the process must end with it
            self._failed(error)

    def look(self) -> None:
        """Read the folder if a file in it is another one than at the last look that succeeded."""
        try:
            stamp = self._now()
            if stamp == self._stamp:
                return
            settings = self._settings
            signers = signers_of(settings)
        except (BusError, OSError) as error:
            self._unreadable(error)
            return
        self._stamp, self._faults = stamp, 0
        self._trust(signers)
        telemetry.signers_changed(len(signers.people))

    def _unreadable(self, error: BaseException) -> None:
        self._stamp = None
        self._faults += 1
        if self._faults == 2:
            self._trust(replace(NOBODY, folder=self._settings.signers))
            telemetry.signers_not_read(error)

    def _now(self) -> _Stamp:
        folder = self._settings.signers
        assert folder is not None
        found = ((p.name, p.stat()) for p in sorted(folder.iterdir()))
        return tuple((name, s.st_mtime_ns, s.st_size, s.st_ino) for name, s in found)
