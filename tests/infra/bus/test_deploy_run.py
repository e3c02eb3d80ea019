"""The deployment without Docker: what its README says first, then its commands and environments as processes of this machine,
with paths, names, addresses and ports replaced and nothing else."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
import psutil
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from infra.cluster import ClusterState, doctor, read_state
from infra.cluster.ports import choose
from infra.runtime.kafka import admin, client_config
from infra.runtime.settings import Settings
from infra.security.presented import presented
from tests.infra.bus.compose_file import DEPLOY, Compose

INSIDE = "127.0.0.2"
"""Instead of the name in the compose network: an address that is not the one everything else listens on."""
WAIT_S = 240.0


@dataclass(slots=True)
class Deployment:
    """The compose file, here: each service's command in its environment."""

    compose: Compose
    words: Mapping[str, str]
    processes: dict[str, subprocess.Popen[str]]

    def environment(self, service: str) -> dict[str, str]:
        """With the host's paths; the rest of this process's environment names no cluster."""
        places = {m.target: m.source for m in self.compose.mounts(service)}
        said = self.compose.environment(service)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("BUS_")}
        return clean | {k: places.get(v, self.words.get(v, v)) for k, v in said.items()}

    def command(self, service: str, *instead: str) -> list[str]:
        words = [
            self.words.get(f"{service} {w}", self.words.get(w, w)) for w in self.compose.services[service]["command"]
        ]
        return [sys.executable, "-m", "infra.bus", *(instead or words)]

    def start(self, service: str) -> subprocess.Popen[str]:
        log = Path(self.compose.mounts(service)[0].source).parents[1] / f"{service}.log"
        with log.open("w") as out:
            self.processes[service] = subprocess.Popen(
                self.command(service), env=self.environment(service), stdin=subprocess.DEVNULL, stdout=out, stderr=out, text=True
            )  # fmt: skip
        return self.processes[service]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """As `docker compose run --rm bus …`."""
        places = {m.target: m.source for m in self.compose.mounts("bus")}
        words = [re.sub(r"^/handed", places["/handed"], a) for a in arguments]
        return subprocess.run(
            self.command("bus", *words), env=self.environment("bus"), capture_output=True, text=True, timeout=WAIT_S, check=True
        )  # fmt: skip

    @property
    def home(self) -> Path:
        return Path(self.environment("cluster")["BUS_HOME"])

    @property
    def state(self) -> ClusterState:
        found = read_state(self.home)
        assert found is not None
        return found

    def told(self, service: str) -> Settings:
        """The settings of a service, read as it reads them."""
        named = {
            k.removeprefix("BUS_").lower(): v for k, v in self.environment(service).items() if k.startswith("BUS_")
        }
        return Settings.model_validate(named).located()


def free(count: int) -> list[str]:
    ports = choose(None, None, None, secure=True)
    return [str(port) for _, port in ports.places][:count]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """README's preparation done, and the cluster up and healthy as compose judges it."""
    root = tmp_path_factory.mktemp("deployment")
    kafka, registry, outside, metrics = free(4)
    given = {"BUS_DATA": root / "data", "BUS_KEYS": root / "keys", "BUS_SIGNERS": root / "signers"}
    said = {k: str(v) for k, v in given.items()} | {"BUS_OUTSIDE_HOST": "localhost", "BUS_OUTSIDE_PORT": outside}
    prepared = re.search(r"```sh prepare\n(.*?)```", (DEPLOY / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert prepared
    shown = subprocess.run(["/bin/sh", "-ec", f"{prepared[1]}\nenv"], env=os.environ | said, capture_output=True, text=True, check=True)  # fmt: skip
    variables = dict(line.split("=", 1) for line in shown.stdout.splitlines() if line.startswith("BUS_"))
    words = {"bus-inside": INSIDE, "9093": kafka, "8080": registry, "exchange 9100": metrics, "controller 9100": "0", "0.0.0.0": "127.0.0.1"}  # fmt: skip
    words["controller 9100"] = free(1)[0]
    found = Deployment(Compose(variables), words, {})
    with ExitStack() as ends:
        ends.callback(lambda: [_end(p) for p in reversed(found.processes.values())])
        process = found.start("cluster")
        healthy = found.compose.services["cluster"]["healthcheck"]["test"]
        assert healthy[:3] == ["CMD", "grep", "-q"]
        assert healthy[4] == "/state/cluster.json"
        file = found.home / "cluster.json"
        until(lambda: file.exists() and healthy[3] in file.read_text(), process)
        yield found


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(60)


def until(true: object, process: subprocess.Popen[str]) -> None:
    assert callable(true)
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert process.poll() is None, process.args
        assert time.monotonic() < deadline, process.args
        time.sleep(0.1)


def get_in(settings: Settings, **more: object) -> set[str]:
    """What a user sees; KafkaException if it does not get in."""
    return set(
        AdminClient(client_config(settings, **{"socket.timeout.ms": 8000, **more})).list_topics(timeout=20).topics
    )


def test_every_file_and_folder_compose_mounts_is_made_by_the_preparation_or_the_cluster(deployment: Deployment) -> None:
    for service in ("cluster", "exchange", "controller", "bus"):
        for mount in deployment.compose.mounts(service):
            path = Path(mount.source)
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode == (0o700 if path.is_dir() else 0o600), mount


def test_kafka_asks_strangers_for_a_password_everywhere_and_only_the_named_listeners_leave_loopback(
    deployment: Deployment,
) -> None:
    state = deployment.state
    assert state.secured
    assert state.ports.outside is not None
    assert (state.bootstrap_servers, state.registry_url) == (
        f"{INSIDE}:{deployment.words['9093']}",
        f"http://{INSIDE}:{deployment.words['8080']}/apis/ccompat/v7",
    )
    found = {c.name: c for c in doctor(deployment.home)}
    assert {found[name].level for name in ("protection", "files", "listeners", "certificates")} == {"ok"}
    assert str(state.ports.outside) in found["listeners"].message.en
    for address in (state.bootstrap_servers, str(state.ports.outside)):
        open_door = Settings(home=deployment.home / "no", bootstrap_servers=address, registry_url="http://unused")
        trusting = deployment.told("bus").ssl_ca_pem
        for protocol in ("PLAINTEXT", "SSL"):
            with pytest.raises(KafkaException):
                get_in(
                    open_door,
                    **{"security.protocol": protocol, **({"ssl.ca.pem": trusting} if protocol == "SSL" else {})},
                )


def test_a_system_gets_in_from_outside_with_the_file_it_was_handed_and_sees_nothing_it_was_not_granted(
    deployment: Deployment,
) -> None:
    deployment.run("principal", "add", "shuiwu", "taxes", "--to", "/handed/taxes.yaml")
    control = deployment.told("bus")
    client = admin(control)
    client.create_topics([NewTopic("bus.secret", 1)])["bus.secret"].result()
    file = next(Path(m.source) for m in deployment.compose.mounts("bus") if m.target == "/handed") / "taxes.yaml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    system = Settings(home=deployment.home / "no", credentials=file).located()
    assert system.bootstrap_servers == str(deployment.state.ports.outside)
    assert system.registry_url is None
    seen = get_in(system)
    assert "bus.secret" not in seen
    assert "bus.secret" in get_in(control)
    for wrong in ({"sasl.password": "guessed"}, {"sasl.username": "control"}):
        with pytest.raises(KafkaException):
            get_in(system, **wrong)
    strange = system.model_copy(update={"ssl_ca_pem": None})
    with pytest.raises(KafkaException):
        get_in(strange)


@pytest.mark.parametrize(("service", "metric"), [("controller", "bus_controller_runs_total"), ("exchange", "bus_exchange_owned_partitions")])  # fmt: skip
def test_exchange_and_controller_start_with_what_they_are_given_and_show_their_metrics(
    deployment: Deployment, service: str, metric: str
) -> None:
    process = deployment.start(service)
    port = deployment.words[f"{service} 9100"]

    def answers() -> bool:
        try:
            return metric in httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5, trust_env=False).text
        except httpx.HTTPError:
            return False

    until(answers, process)
    children = [process.pid, *(c.pid for c in psutil.Process(process.pid).children(recursive=True))]
    listening = {c.laddr.ip for pid in children for c in psutil.Process(pid).net_connections() if c.status == psutil.CONN_LISTEN}  # fmt: skip
    assert listening == {"127.0.0.1"}
    said = {p: " ".join(psutil.Process(p).cmdline()) for p in children}
    control, exchange = (deployment.told(name).sasl_password for name in ("controller", "exchange"))
    assert control and exchange
    assert not [p for p, line in said.items() for s in (control, exchange) if s.get_secret_value() in line]


def test_certificates_are_renewed_beside_the_running_cluster_and_every_listener_shows_them(
    deployment: Deployment,
) -> None:
    ports = deployment.state.ports
    assert ports.outside is not None
    before = presented("localhost", ports.outside.port).serial_number
    command = deployment.command("cluster", "certificates", "renew", "--json")
    subprocess.run(command, env=deployment.environment("cluster"), capture_output=True, timeout=WAIT_S, check=True)
    for host, port in ((INSIDE, ports.broker), ("localhost", ports.outside.port)):
        assert presented(host, port).serial_number != before
    get_in(deployment.told("exchange"))


def test_told_to_stop_the_cluster_ends_in_order_and_starts_again_where_it_was(deployment: Deployment) -> None:
    before = deployment.state
    client = admin(deployment.told("bus"))
    client.create_topics([NewTopic("bus.kept", 1)])["bus.kept"].result()
    for name in ("controller", "exchange", "cluster"):
        if name in deployment.processes:
            deployment.processes[name].send_signal(signal.SIGTERM)
            assert deployment.processes[name].wait(90) == 0, name
    assert not deployment.state.all_alive
    deployment.start("cluster")
    until(lambda: deployment.state.bootstrap_servers is not None, deployment.processes["cluster"])
    assert deployment.state.ports == before.ports
    assert "bus.kept" in get_in(deployment.told("bus"))


def test_when_a_part_of_it_dies_the_cluster_ends_with_an_error_so_that_it_is_started_again(
    deployment: Deployment,
) -> None:
    running = deployment.state.processes
    assert running is not None
    psutil.Process(running.broker.pid).kill()
    assert deployment.processes["cluster"].wait(90) == 1
    assert not [p for p in (running.broker, running.registry, running.guard) if p.alive]
