"""What the compose file promises. Docker never ran it here."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest

from infra.cluster import is_loopback
from infra.runtime.settings import Settings
from tests.infra.bus.compose_file import DEPLOY, Compose

VARIABLES = {
    "BUS_DATA": "/srv/data",
    "BUS_KEYS": "/srv/keys",
    "BUS_SIGNERS": "/srv/signers",
    "BUS_USER": "1000:1000",
    "BUS_OUTSIDE_HOST": "bus.example",
}
OURS = ("cluster", "exchange", "controller", "bus")


@pytest.fixture(scope="module")
def compose() -> Compose:
    return Compose(VARIABLES)


def test_what_the_operator_must_say_has_no_default() -> None:
    for name in VARIABLES:
        with pytest.raises(KeyError, match=name):
            Compose({k: v for k, v in VARIABLES.items() if k != name})


def test_only_kafka_s_departments_and_grafana_on_loopback_are_published(compose: Compose) -> None:
    published = {name: s["ports"] for name, s in compose.services.items() if "ports" in s}
    assert published == {"cluster": ["9094:9094"], "grafana": ["127.0.0.1:13000:3000"]}
    command = compose.services["cluster"]["command"]
    assert command[command.index("--outside") + 1] == "bus.example:9094"
    assert not [name for name, s in compose.services.items() if "network_mode" in s]


def test_only_who_publishes_a_port_is_on_a_network_that_leads_out(compose: Compose) -> None:
    assert compose.outward() == {"outside", "people"}
    outside = {name for name, s in compose.services.items() if set(s["networks"]) & compose.outward()}
    assert outside == {"cluster", "grafana"}
    assert "inside" not in compose.services["grafana"]["networks"]


def test_metrics_leave_loopback_only_in_containers_that_are_on_internal_networks_alone(compose: Compose) -> None:
    wide = {n for n in compose.services if not is_loopback(compose.environment(n).get("BUS_METRICS_HOST", "127.0.0.1"))}
    assert wide == {"exchange", "controller"}
    for name in wide:
        assert set(compose.services[name]["networks"]) == {"inside"}
        assert "ports" not in compose.services[name]


def test_prometheus_scrapes_the_ports_the_processes_are_told_and_nobody_publishes_it(compose: Compose) -> None:
    targets = re.findall(r'"([\w-]+):(\d+)"', (DEPLOY / "prometheus/targets/bus.yml").read_text())
    told = {n: s["command"] for n, s in compose.services.items() if "--metrics-port" in s.get("command", ())}
    assert dict(targets) == {name: c[c.index("--metrics-port") + 1] for name, c in told.items()}
    assert set(compose.services["prometheus"]["networks"]) == {"inside", "watching"}


def test_every_container_is_read_only_and_without_rights_and_none_runs_as_root(compose: Compose) -> None:
    for name, said in compose.services.items():
        assert said["read_only"] is True, name
        assert said["cap_drop"] == ["ALL"], name
        assert said["security_opt"] == ["no-new-privileges:true"], name
        assert said["user"].split(":")[0] not in ("0", "root", ""), name
        assert not {"privileged", "cap_add", "pid", "ipc", "devices", "env_file"} & said.keys(), name
    user = [line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if line.startswith("USER")]
    assert user == ["USER 65534:65534"]


def test_no_secret_is_in_an_environment_a_command_or_the_image(compose: Compose) -> None:
    for name in compose.services:
        for variable, value in compose.environment(name).items():
            if variable in ("BUS_CREDENTIALS", "BUS_KEY_FILE"):
                assert value.startswith("/run/secrets/"), (name, variable)
            elif name in OURS:
                assert variable in {"BUS_HOME", "BUS_SIGNERS", "BUS_METRICS_HOST"}, (name, variable)
            else:
                assert value in ("true", "false", "Viewer"), (name, variable)
    assert not re.search(r"password|token", (DEPLOY / "compose.yaml").read_text(), re.IGNORECASE)
    lines = (DEPLOY.parents[1] / ".dockerignore").read_text().splitlines()
    sent = [line for line in lines if not line.startswith("#")]
    assert sent[0] == "*"
    assert {"**/.bus", "**/.env", "**/*.pem", "**/*.key"} <= set(sent)


def test_each_container_is_given_its_own_secrets_and_no_other(compose: Compose) -> None:
    given = {name: set(s.get("secrets", ())) for name, s in compose.services.items()}
    assert given == {
        "cluster": set(),
        "exchange": {"exchange", "master_key"},
        "controller": {"control", "master_key"},
        "bus": {"control", "master_key"},
        "prometheus": set(),
        "grafana": set(),
    }
    files = {name: said["file"] for name, said in compose.whole["secrets"].items()}
    assert files["master_key"].startswith("/srv/keys/")
    sees = {n for n in compose.services for m in compose.mounts(n) if PurePosixPath(m.source).is_relative_to("/srv/data/cluster") and not m.target.startswith("/run/secrets/")}  # fmt: skip
    assert sees == {"cluster"}


def test_every_variable_is_a_setting_and_every_path_is_mounted(compose: Compose) -> None:
    for name in OURS:
        targets = {m.target for m in compose.mounts(name)}
        for variable, value in compose.environment(name).items():
            assert variable.removeprefix("BUS_").lower() in Settings.model_fields, variable
            assert not value.startswith("/") or value in targets, (name, variable, value)


def test_what_is_mounted_of_this_repository_exists_and_is_read_only(compose: Compose) -> None:
    ours = [m for name in compose.services for m in compose.mounts(name) if m.source.startswith("./")]
    assert len(ours) == 3
    for mount in ours:
        assert (DEPLOY / mount.source).is_dir(), mount
        assert mount.read_only, mount
    volumes = {m.source for n in compose.services for m in compose.mounts(n) if m.source[0] not in "./"}
    assert volumes == set(compose.whole["volumes"])
    provider = (DEPLOY / "grafana/provisioning/dashboards/bus.yml").read_text()
    assert "/etc/grafana/dashboards" in provider
    assert "/etc/grafana/dashboards" in {m.target for m in compose.mounts("grafana")}
