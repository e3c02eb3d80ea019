"""The environment a Java process of ours starts in."""

from __future__ import annotations

import os


def environment() -> dict[str, str]:
    """This process's own, in UTF-8: under `LANG=C` Java could not open a folder whose name is Chinese. Options somebody
    set for every Java on the machine are left out; ours are chosen."""
    kept = {name: value for name, value in os.environ.items() if name not in ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS")}
    return kept | {"LC_ALL": "C.UTF-8"}
