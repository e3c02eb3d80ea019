"""A process on the transport: prints one line per unit. Arguments: bootstrap servers, topic, and what the handler does."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from infra.runtime.kafka import consumer_config
from infra.runtime.settings import Settings
from stream_apps.transport import Limits, Source, Unit, create_app, on_units, run_app
from tests.stream_apps.transport.rig import RecordingOwner


def main() -> None:
    address, topic, how = sys.argv[1:]
    settings = Settings(home=Path("unused"), bootstrap_servers=address, registry_url="unused")
    app = create_app(
        topic, Source(consumer_config(settings, topic), RecordingOwner(), lambda: [topic], Limits(stuck_s=2.0))
    )

    def handle(unit: Unit) -> None:
        print("began", unit.records, flush=True)
        if how == "raise":
            raise RuntimeError("the handler gave up")
        if how == "slow":
            time.sleep(1.0)
        if how == "hang":
            time.sleep(3600)
        app.poller.done(unit)
        print("ended", flush=True)

    on_units(app, handle)
    run_app(app)


if __name__ == "__main__":
    main()
