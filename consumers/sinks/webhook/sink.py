"""The webhook sink: consecutive events of a partition as one signed request, its position moved once it is accepted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from consumers.events import Batch, Step
from consumers.sink import Held, RetryLater, Written
from consumers.sinks.webhook.address import Resolve, resolved
from consumers.sinks.webhook.message import Record, Request, Writer, opening
from consumers.sinks.webhook.post import Failure, Poster
from consumers.sinks.webhook.settings import WebhookSettings
from consumers.sinks.webhook.state import OPENING, State
from consumers.view import View
from schemas.errors import PermanentError, TransientError
from schemas.text import Text


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Records handed over that end before the request they belong to: what was announced is sent whole or not at all."""

    records: tuple[Record, ...]
    step: Step


class WebhookSink:
    """See `consumers.sink.Sink`. It delivers at least once: the receiver drops ids it has seen."""

    def __init__(
        self,
        settings: WebhookSettings,
        *,
        resolve: Resolve = resolved,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        assert settings.state is not None
        self._settings, self._resolve, self._now_ms = settings, resolve, now_ms
        self._state = State(settings.state)
        self._poster: Poster | None = None
        self._waiting: dict[int, _Waiting] = {}

    def open(self, view: View, *, rebuild: bool = False) -> Held:
        """Positions held. The receiver is told of a table that begins anew, before any event of it."""
        self.close()
        self._view, settings = view, self._settings
        self._writer = Writer(view, settings.batch_events, settings.batch_bytes)
        self._poster = Poster(settings, self._resolve)
        held = self._state.open(view, rebuild=rebuild)
        if OPENING in self._state.announced:
            self._send(Request(OPENING, 0, 0, body=opening(view)))
        return held

    def write(self, batch: Batch) -> Written:
        """Send a batch's events, request by request, each settled before the next is sent."""
        waiting = dict(self._waiting)
        requests: list[Request] = []
        expected: dict[int, int] = {}
        for partition, step in batch.steps.items():
            records = tuple(r for r in batch.records if r.place.partition == partition)
            whole = _joined(waiting.pop(partition, None), records, step)
            announced = self._state.announced.get(partition)
            if announced is not None and whole.step.next < announced:
                waiting[partition] = whole
            else:
                ends = (whole.step.expected, whole.step.next)
                requests += self._writer.requests(partition, whole.records, *ends, announced)
            expected[partition] = whole.step.expected
        # everything is written down before anything is sent: what cannot be told refuses the whole batch
        self._state.check(expected)
        self._waiting = waiting
        return self._sent(requests)

    def rewind(self, positions: Mapping[int, int]) -> Held:
        """Set partitions back; the receiver is sent everything from there on again, under other ids."""
        return self._state.rewind(positions)

    def close(self) -> None:
        """Give back connection and state."""
        self._state.close()
        self._waiting = {}
        poster, self._poster = self._poster, None
        if poster is not None:
            poster.close()

    def _sent(self, requests: list[Request]) -> Written:
        upserted = deleted = rejected = 0
        for request in requests:
            if request.body is None:
                self._state.settled(request)
            elif self._send(request):
                upserted, deleted = upserted + request.upserted, deleted + request.deleted
            else:
                rejected += request.events
        return Written(upserted, deleted, rejected)

    def _send(self, request: Request) -> bool:
        """Whether it was accepted; False if it was given up. Raises if it is to be tried again, or to be stopped."""
        poster, body = self._poster, request.body
        if poster is None or body is None:
            raise RuntimeError("not open, or nothing to send")
        self._state.announce(request)
        failure = poster.post(request.id(self._view.origin.topic_id, self._state.fill), body)
        if failure is None:
            self._state.settled(request)
            return True
        self._failed(request, failure)
        return False

    def _failed(self, request: Request, failure: Failure) -> None:
        """Count it against the budget; when that is used up, stop or leave a dead letter."""
        now = self._now_ms()
        tried, budget = self._state.failed(request, now), self._settings.budget
        what: dict[str, Any] = {"what": self._not_accepted(failure, tried.attempts), "where": self._where(request)}
        if tried.attempts < budget.attempts and now - tried.since_ms < budget.seconds * 1000:
            if failure.wait_s:
                raise RetryLater(wait_s=failure.wait_s, **what)
            raise TransientError(**what)
        if self._settings.undeliverable == "skip" and request.partition != OPENING:
            self._state.given_up(request, failure.reason, now)
            return
        self._state.forgive(request)
        raise PermanentError(
            hint=Text(
                "The budget is used up, nothing was skipped. Mend the receiver and deliver again: it goes on here.",
                "重试额度已用尽, 未跳过任何事件。请修复接收方后重新投递, 将从此处继续。",
            ),
            **what,
        )

    def _not_accepted(self, failure: Failure, attempts: int) -> Text:
        host = self._settings.host
        return Text(
            f"{host} did not accept a request ({failure.reason}; attempt {attempts}).",
            f"{host} 未接受请求({failure.reason}; 第 {attempts} 次)。",
        )

    def _where(self, request: Request) -> str:
        topic = self._view.origin.topic
        return topic if request.partition == OPENING else f"{topic}[{request.partition}]@{request.first}"


def _joined(before: _Waiting | None, records: tuple[Record, ...], step: Step) -> _Waiting:
    """What waits and what came after it. A step that does not go on from there expects a position nobody holds."""
    if before is None:
        return _Waiting(records, step)
    if before.step.next != step.expected:
        return _Waiting(records, step._replace(expected=-1))
    whole = Step(before.step.expected, step.next, before.step.events + step.events)
    return _Waiting((*before.records, *records), whole)
