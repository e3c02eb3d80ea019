"""Dashboards and alerts ask for metrics that exist. Nothing here was rendered in Grafana."""

from __future__ import annotations

import importlib
import json
import re

import yaml

from infra.runtime import metrics
from tests.infra.bus.compose_file import DEPLOY

TELEMETRY = ("producers.telemetry", "stream_apps.exchange.telemetry", "consumers.telemetry", "infra.control.telemetry")
NAME = re.compile(r"\bbus_[a-z_]+")


def names_registered() -> dict[str, set[str]]:
    """Every series a process can show, with its label names."""
    for module in TELEMETRY:
        importlib.import_module(module)
    out: dict[str, set[str]] = {}
    for collector in set(metrics.REGISTRY._collector_to_names):
        labels = set(
            getattr(collector, "_labelnames", metrics.LABELS)
        )  # a collector of our own names them as it collects
        for name in metrics.REGISTRY._collector_to_names[collector]:
            out[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    return out


def expressions() -> list[str]:
    board = json.loads((DEPLOY / "grafana/dashboards/exchange-bus.json").read_text(encoding="utf-8"))
    shown = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    alerts = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text(encoding="utf-8"))
    return shown + [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]


def test_every_metric_a_dashboard_or_alert_asks_for_is_registered_by_code() -> None:
    known = names_registered()
    asked = {name for e in expressions() for name in NAME.findall(e)}
    assert len(asked) > 10
    assert asked <= known.keys(), asked - known.keys()


def test_every_label_an_expression_groups_by_is_one_its_metric_has() -> None:
    known = names_registered()
    for e in expressions():
        grouped = {label.strip() for by in re.findall(r"(?:by|on) \(([^)]*)\)", e) for label in by.split(",")}
        for name in NAME.findall(e):
            assert grouped <= known[name], (e, name, known[name])


def test_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    board = json.loads((DEPLOY / "grafana/dashboards/exchange-bus.json").read_text(encoding="utf-8"))
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]]
    assert len(set(places)) == len(places) == len({p["id"] for p in board["panels"]})


def test_prometheus_finds_its_files_wherever_its_folder_is() -> None:
    folder = DEPLOY / "prometheus"
    config = yaml.safe_load((folder / "prometheus.yml").read_text(encoding="utf-8"))
    found = [s["files"] for job in config["scrape_configs"] for s in job["file_sd_configs"]]
    named = [*config["rule_files"], *(pattern for files in found for pattern in files)]
    assert named
    assert all(not name.startswith("/") and list(folder.glob(name)) for name in named)
