"""`for event in Subscriber(…)`: a grant's changes for a program, from where it stopped to the grant's end."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

from consumers.feed import Feed
from consumers.received import Received
from consumers.subscription import Subscription


class Subscriber(Subscription):
    """A grant's changes, in order for each key, one by one.

        with Subscriber(grant="shuiwu.enterprise.2026-001") as events:
            for event in events:
                ...
                event.acknowledge()

    What comes is a `GenerationStarted` before the first row of all (empty your copy), an `Event` for each change, and a
    `GrantEnded` as the last one, after which the loop ends by itself.

    grant        the grant's id
    settings     where the cluster is and how to get in; by default BUS_* environment variables say it
    credentials  the file that `bus principal add` wrote, instead of BUS_CREDENTIALS
    start        None: where the ledger stopped, else the beginning. "beginning": forget the ledger, everything comes again.
                 A `Position` or its text ('' is none yet): the program keeps positions itself, no ledger is used
    ledger       file of the program's own (made, 0600) that keeps what was acknowledged; by default
                 BUS_HOME/subscriptions/<grant>.ledger. One program at a time: a second is refused
    until        "caught_up": the loop ends, without a `GrantEnded`, when everything there is has been handed out
    on_trouble   called with the error and the seconds until the next attempt when something is out of reach; a log line of
                 `consumers.subscriber` says so in any case. What it raises ends the loop

    At least once: what was not acknowledged comes again after a restart, in the same order. Exactly once in a database of
    yours: store `str(event.position)` in the transaction of the rows and give it back as `start`.
    Threads: one iterates; any may acknowledge and `stop`.
    Errors: ConfigError (unknown grant, refused credentials, ledger in use) and PermanentError (reading on would leave a
    gap, or a record cannot be read). Whatever may pass is retried for ever, with back-off.
    """

    _feed: Feed | None = None
    _items: Iterator[Received] | None = None

    def __enter__(self) -> Subscriber:
        self._feed = self._open()
        self._items = self._run(self._feed)
        return self

    def __iter__(self) -> Subscriber:
        return self

    def __next__(self) -> Received:
        if self._items is None:
            raise RuntimeError("a Subscriber is used in a with statement")
        return next(self._items)

    def _run(self, feed: Feed) -> Iterator[Received]:
        for chunk in feed.chunks():
            yield from self._hand_out(chunk, feed.look)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        if self._items is not None and self._feed is not None:
            self._items.close()  # type: ignore[attr-defined]  # a generator
            self._feed.close()
        self._items = None
        self._release()
