"""Which resources a catalogue class means, for applications that ask for a whole domain."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from infra.control.applications.expand import Domain
from infra.control.register.log import read_register
from infra.control.register.state import RegisterState
from infra.runtime.settings import Settings


def in_catalogue(settings: Settings) -> Domain:
    """The catalogue's answer; it is read when it is asked for the first time. What `read_register` says of errors holds."""

    @cache
    def register() -> RegisterState:
        return read_register(settings)

    def entries(domain: str) -> Sequence[str]:
        return register().entries(domain)

    return entries
