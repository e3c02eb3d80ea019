"""Records that are dead letters until their schema is registered: a fault of the installation that can be mended."""

from __future__ import annotations

from contextlib import closing

from infra.runtime.registry import Registry
from schemas.change_event import change_event_schema
from schemas.codec import codec_for
from schemas.ids import subject
from tests.kit.exchange_lab import Lab, row


class Stranger:
    """A schema of the lab's events that nobody registered for it: with a field more. `mend` registers it."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        contract = lab.contract({"name": "more", "type": ["null", "string"], "default": None})
        self._schema = change_event_schema(contract)
        with closing(Registry(lab.settings)) as registry:
            self._id = registry.register(f"{lab.word}.elsewhere", self._schema)

    def publish(self, *numbers: int, name: str = "张三") -> None:
        lab, known = self._lab, self._lab._codec
        lab._codec = codec_for(self._schema, self._id)
        try:
            lab.publish([("c", None, row(i, name=name) | {"more": None}) for i in numbers])
        finally:
            lab._codec = known

    def mend(self) -> None:
        with closing(Registry(self._lab.settings)) as registry:
            assert registry.register(subject(self._lab.topic), self._schema) == self._id
