"""The commands that end grants, as people and programs run them."""

from __future__ import annotations

import json
from pathlib import Path

from infra.control import apply_contract, apply_grant, state
from tests.conftest import Cluster
from tests.infra.bus.command import bus
from tests.infra.control.world import contract, grant


def test_grants_are_suspended_resumed_and_terminated_from_the_command_line(
    cluster: Cluster, unique: str, tmp_path: Path
) -> None:
    environ = {
        "BUS_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
        "BUS_REGISTRY_URL": cluster.registry_url,
        "BUS_KEY_FILE": str(cluster.key_file),
    }
    names = [f"{unique}.one", f"{unique}.two"]
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    for name in names:
        apply_grant(cluster.settings, grant(unique, id=name))

    def run(*words: str) -> str:
        done = bus(*words, home=tmp_path, **environ)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    refused = bus("suspend", *names, home=tmp_path, **environ)
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    assert [f["destroy_by"] for f in json.loads(run("suspend", *names, "--yes", "--json"))] == [None, None]
    assert json.loads(run("resume", names[0], "--json"))[0]["generation"] == 2
    before = state(cluster.settings).epoch
    assert json.loads(run("terminate", "--resource", f"{unique}.r", "--dry-run", "--json")) == names
    assert state(cluster.settings).epoch == before
    ended = json.loads(run("terminate", "--resource", f"{unique}.r", "--yes", "--json"))
    assert [f["grant"] for f in ended] == names
    assert all(f["destroy_by"] for f in ended)
    shown = run("grants", "--all")
    assert shown.count(ended[0]["destroy_by"]) >= 2
    nothing = bus("terminate", home=tmp_path, **environ)
    assert (nothing.returncode, "not meant" in nothing.stderr) == (2, True)
