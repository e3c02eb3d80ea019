"""The front door: a small sample city through every real component, as a newcomer starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def test_the_sample_city_reconciles_and_the_revoked_flow_stops(tmp_path: Path) -> None:
    environment = os.environ | {"BUS_HOME": str(tmp_path / "home"), "BUS_DEMO_EVENTS": "2000", "LANG": "C.UTF-8"}
    for name in ("BUS_BOOTSTRAP_SERVERS", "BUS_REGISTRY_URL"):
        environment.pop(name, None)

    done = subprocess.run(
        [sys.executable, "-m", "infra.bus.main", "demo", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report == json.loads((tmp_path / "home" / "demo-report.json").read_text())
    assert report["reconciled"] is True
    assert len(report["per_grant"]) == 12
    assert all(g["delivered"] == g["expected"] > 0 and g["table_equal"] for g in report["per_grant"])
    revoked = [g for g in report["per_grant"] if g["revoked"]]
    assert len(revoked) == 1
    assert report["written_past_fence"] == 0
    assert report["quarantined"] > 0
    assert report["latency_ms"]["p99"] > 0


def test_a_size_that_is_no_number_is_refused_with_its_name(tmp_path: Path) -> None:
    environment = os.environ | {"BUS_HOME": str(tmp_path), "BUS_DEMO_EVENTS": "many", "LANG": "C.UTF-8"}

    done = subprocess.run(
        [sys.executable, "-m", "infra.bus.main", "demo"], env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "BUS_DEMO_EVENTS" in done.stderr
    assert "'many'" in done.stderr
