"""The generated reference pages, beside what they describe; `make check` fails when one is stale.

python -m infra.bus.reference [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

import consumers.telemetry
import infra.control.telemetry
import producers.telemetry
import stream_apps.exchange.telemetry
from infra.bus.mask_page import masks_page
from infra.runtime.counted_histogram import CountedHistogram
from infra.runtime.metrics import REGISTRY
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from schemas.text import Text

ROOT = Path(__file__).parents[2]
_MADE = "Made by `python -m infra.bus.reference` from the code; do not edit.\n"
_MADE_ZH = "由 `python -m infra.bus.reference` 从代码生成, 请勿手工修改。\n"
_ROOMS = (producers.telemetry, stream_apps.exchange.telemetry, consumers.telemetry, infra.control.telemetry)
"""Whose import registers the metrics of the page."""


def metrics_page() -> str:
    """Every metric of every process: name as Prometheus shows it, type, labels, meaning."""
    labels = {c: c._labelnames for c in REGISTRY._collector_to_names if isinstance(c, MetricWrapperBase)}
    by_name = {c._name: names for c, names in labels.items()}
    by_name |= {c.name: (c.label,) for c in REGISTRY._collector_to_names if isinstance(c, CountedHistogram)}
    lines = ["# Metrics", "", _MADE, "| metric | type | labels | meaning |", "| --- | --- | --- | --- |"]
    for family in sorted(REGISTRY.collect(), key=lambda f: f.name):
        if family.name.startswith("bus_"):
            shown = family.name + ("_total" if family.type == "counter" else "")
            names = ", ".join(by_name.get(family.name, ("resource",)))
            lines.append(f"| `{shown}` | {family.type} | {names} | {family.documentation.rstrip('.')} |")
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """Every setting: its environment variable, default and meaning."""
    lines = ["# Settings", "", _MADE, "| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default_factory is not None or field.default is None else f"`{field.default}`"
        meaning = " ".join((field.description or "").split())
        lines.append(f"| `BUS_{name.upper()}` | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


PAGES: dict[Path, Callable[[], str]] = {
    ROOT / "infra" / "deploy" / "METRICS.md": metrics_page,
    ROOT / "infra" / "runtime" / "SETTINGS.md": settings_page,
    ROOT / "stream_apps" / "policy" / "MASKS.md": lambda: masks_page("en", _MADE),
    ROOT / "stream_apps" / "policy" / "MASKS.zh-CN.md": lambda: masks_page("zh", _MADE_ZH),
}


def stale() -> list[Path]:
    """The pages that are not what the code gives now."""
    return [path for path, page in PAGES.items() if not path.exists() or path.read_text(encoding="utf-8") != page()]


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` say which are stale."""
    old = stale()
    if arguments == ["--check"]:
        if old:
            raise ConfigError(
                Text("generated pages are stale.", "生成的参考页已过期。"),
                where=", ".join(str(p.relative_to(ROOT)) for p in old),
                hint=Text("Run: python -m infra.bus.reference", "请运行: python -m infra.bus.reference"),
            )
        return 0
    for path in old:
        path.write_text(PAGES[path](), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
