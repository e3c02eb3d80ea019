"""How long a run insists, with a clock of its own."""

from __future__ import annotations

import pytest

from infra.runtime.metrics import REGISTRY
from producers.patience import INTERRUPTED_S, UNREACHED_S, Patience
from schemas.errors import TransientError
from schemas.text import Text


class Clock:
    """Attempts that take `attempt` seconds, and waits that take what is asked."""

    def __init__(self, attempt: float) -> None:
        self.now = 0.0
        self.attempt = attempt
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def exhaust(self, patience: Patience) -> None:
        error = TransientError(Text("gone", "没了"))
        with pytest.raises(TransientError) as caught:
            for _ in range(1000):
                self.now += self.attempt
                patience.again(error)
        assert caught.value is error


def test_waits_double_up_to_five_seconds() -> None:
    clock = Clock(attempt=0.0)
    patience = Patience("d.rows", clock.wait, lambda: clock.now)
    patience.reached()
    clock.exhaust(patience)
    assert clock.waits[:7] == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert clock.now <= INTERRUPTED_S


def test_a_cluster_never_reached_is_given_up_after_ten_seconds_whether_it_refuses_or_is_silent() -> None:
    refusing, silent = Clock(attempt=0.01), Clock(attempt=5.0)
    for clock in (refusing, silent):
        clock.exhaust(Patience("d.rows", clock.wait, lambda clock=clock: clock.now))  # type: ignore[misc]
    assert (len(refusing.waits), len(silent.waits)) == (5, 1)
    assert refusing.now < UNREACHED_S and silent.now <= UNREACHED_S + 5


def test_progress_gives_patience_anew_and_every_retry_is_counted() -> None:
    resource = "patience.rows"
    clock = Clock(attempt=0.01)
    patience = Patience(resource, clock.wait, lambda: clock.now)
    clock.exhaust(patience)
    patience.progress()
    clock.exhaust(patience)
    assert clock.waits == [0.25, 0.5, 1.0, 2.0, 4.0] * 2
    assert REGISTRY.get_sample_value("bus_publish_retries_total", {"resource": resource}) == 10
