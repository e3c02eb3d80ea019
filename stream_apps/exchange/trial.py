"""Whether a record kills the process that judges it, tried out in a process made for it.

A new process, and not a fork: the native codec keeps threads of its own, which a fork does not have and waits for.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from infra.runtime.custodian import held_keys
from infra.runtime.registry import Registry
from infra.runtime.settings import Settings
from schemas.policy_state import ContractInForce, PolicyState
from stream_apps.exchange.gaps import GapWatch, KeyHash
from stream_apps.exchange.judge import judge
from stream_apps.exchange.views import Lane, RuleBook, Rules

_PATIENCE_S = 20.0
_PANICKED = 70
_DEADLY = frozenset(
    {
        *(signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS),
        signal.SIGKILL,  # the kernel's, when memory runs out
    }
)
"""Signals that prove something: SIGTERM and SIGINT come from people, SIGALRM from our own impatience."""
_MAIN = "from stream_apps.exchange.trial import main; main()"


@dataclass(frozen=True, slots=True)
class Record:
    """A record, and everything that decides what is made of it. It is written to the child's standard input alone."""

    key: bytes
    value: bytes | None
    state: PolicyState
    resource: str
    gaps: frozenset[str]
    at_ms: int
    history: bool


def in_force(rules: Rules, lanes: Sequence[Lane]) -> PolicyState:
    """The state that makes these rules of one resource."""
    if rules.contract is None or rules.decoder is None:
        return PolicyState()
    contract = ContractInForce.of(rules.contract.source, rules.decoder.codec.schema_id, 0)
    return PolicyState.of(0, contract, [v.grant for v in lanes])


def dies(settings: Settings, record: Record) -> bool:
    """Whether a process is killed by judging `record`, or native code panics. Nothing is proven by an error, by more than
    20 s, or where no process can be made."""
    try:
        ended = subprocess.run(
            [sys.executable, "-c", _MAIN],
            input=pickle.dumps((settings, record)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # a panic may quote the record
            timeout=_PATIENCE_S,
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError):
        return False
    return ended.returncode == _PANICKED or -ended.returncode in _DEADLY


def main() -> NoReturn:
    """The child. How it ends is all that is heard of it; it does not outlive its parent for long."""
    signal.alarm(int(_PATIENCE_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the record
    settings, record = pickle.load(sys.stdin.buffer)
    ring, registry = held_keys(settings).ring, Registry(settings)
    rules = RuleBook(ring, registry).rules(record.state, record.resource)
    watch = GapWatch(record.gaps, [record.key], KeyHash(ring))
    code = _PANICKED
    try:
        judge([_Message(record)], rules, rules.lanes, watch, record.at_ms, history=record.history)  # type: ignore[list-item]
        code = 0
    except Exception:  # noqa: BLE001 - an error proves nothing, and it is the worker's to tell
        code = 0
    finally:
        os._exit(code)


@dataclass(frozen=True, slots=True)
class _Message:
    """As much of a Kafka message as `judge` asks for."""

    record: Record

    def value(self) -> bytes | None:
        return self.record.value

    def __len__(self) -> int:
        return len(self.record.value or b"")
