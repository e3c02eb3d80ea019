"""What the control log says about grants, read once for all deliveries of a process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

from infra.runtime.desk import DeskReader, desks_kept
from infra.runtime.policy_log import PolicyReader
from infra.runtime.registry import Registry
from infra.runtime.settings import Settings
from schemas.desk import ViewShown, shown
from schemas.errors import ConfigError
from schemas.ids import POLICY_TOPIC, desk_topic
from schemas.policy_state import GrantInForce, PolicyState
from schemas.text import Text

_LOOK_EVERY_S = 0.02


class GrantWatch:
    """The newest state of the control log, or on a secured cluster of the desk of the department we work for (BUS_DEPARTMENT).
    Safe to share between threads; close it when done.

    One reader serves many deliveries. `state()` looks every 20 ms whether news have arrived, which costs nothing, and asks the
    log where it ends at most every `every_s` seconds: that shows whether it still answers. It raises TransientError if the log
    is out of reach (runners retry) and PermanentError if it is not whole.
    """

    def __init__(
        self, settings: Settings, *, every_s: float = 0.5, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._every = every_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._reader: PolicyReader | DeskReader | None = None
        self._desk = settings.department if desks_kept(settings) else None
        self._read_at = self._looked_at = float("-inf")
        self._state = PolicyState()

    def state(self, *, fresh: bool = False) -> PolicyState:
        """The state with all news that have arrived, and at most `every_s` seconds old; read to the log's end if it must be
        `fresh`."""
        with self._lock:
            now = self._monotonic()
            if fresh or self._reader is None or now - self._read_at >= self._every:
                if self._reader is None:
                    self._reader = (
                        DeskReader(self._settings, self._desk) if self._desk else PolicyReader(self._settings)
                    )
                found = self._reader.read_to_end()
                self._read_at = self._looked_at = self._monotonic()
            elif now - self._looked_at >= _LOOK_EVERY_S:
                found = self._reader.poll(0)
                self._looked_at = now
            else:
                return self._state
            self._state = found if isinstance(found, PolicyState) else found.policy
            return self._state

    def grant(self, grant_id: str) -> GrantInForce:
        """The newest generation of a grant, read afresh. ConfigError if there never was one."""
        found = self.state(fresh=True).grants.get(grant_id)
        if found is None:
            raise ConfigError(
                Text(f"there is no grant '{grant_id}'.", f"没有授权 '{grant_id}'。"),
                where=desk_topic(self._desk) if self._desk else POLICY_TOPIC,
                hint=Text("Apply it first: bus apply -f GRANT.yaml.", "请先执行: bus apply -f GRANT.yaml。"),
            )
        return found

    def view(self, grant: GrantInForce) -> ViewShown:
        """The schema of a grant's events, and what its columns are called for people: from the desk, else from registry and
        contract. TransientError if the registry is out of reach, PermanentError if it does not know the schema."""
        with self._lock:
            if isinstance(self._reader, DeskReader):
                return self._reader.state.views[grant.topic]
        registry = Registry(self._settings)
        try:
            schema = registry.schema(grant.schema_id)
        finally:
            registry.close()
        known = self.state().contracts.get(grant.grant.resource)
        return shown(schema, known.contract if known else None)

    def life(self, grant: GrantInForce) -> GrantInForce:
        """What is known by now of this very generation: whether it has ended, and its fence."""
        return self.state().generation(grant.grant.id, grant.generation) or grant

    def successor(self, grant: GrantInForce) -> GrantInForce | None:
        """The newest generation of the grant, if it is a later one."""
        newest = self.state().grants.get(grant.grant.id)
        return newest if newest is not None and newest.generation > grant.generation else None

    def close(self) -> None:
        """Give back the connections."""
        with self._lock:
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    def __enter__(self) -> GrantWatch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
