"""A cluster that ends with the command that started it, as a supervisor or a container wants it."""

from __future__ import annotations

import threading
from pathlib import Path

from infra.bus.process import stop_on_signals
from infra.cluster import down, read_state
from schemas.errors import PermanentError
from schemas.text import Text

_LOOK_EVERY_S = 0.5


def stay(home: Path) -> None:
    """Until SIGINT or SIGTERM, then stop the cluster of `home`. PermanentError, with everything stopped, if a part of it
    dies: whoever supervises starts it again."""
    stop = threading.Event()
    with stop_on_signals(stop.set):
        while not stop.wait(_LOOK_EVERY_S):
            state = read_state(home)
            if state is None or not state.all_alive:
                down(home)
                raise PermanentError(
                    Text("a process of the cluster has died; no data is lost.", "集群进程已退出; 数据未丢失。"),
                    where=str(home),
                    hint=Text("Run 'bus up'.", "请运行 'bus up'。"),
                )
        down(home)
