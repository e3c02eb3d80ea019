"""Ports: given, remembered, free, taken."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from infra.cluster.ports import HOST, Asked, Outside, Ports, choose, is_free, secured_ports
from schemas.errors import ConfigError


@pytest.fixture
def taken() -> Iterator[int]:
    """A port this process listens on."""
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(("secure", "listeners"), [(False, 3), (True, 4)])
def test_chosen_ports_are_free_and_different(secure: bool, listeners: int) -> None:
    ports = choose(None, None, None, secure=secure)
    assert len({port for _, port in ports.places}) == len(ports.places) == listeners
    assert all(is_free(port, host) for host, port in ports.places)


def test_ports_of_last_time_are_kept_while_free(taken: int) -> None:
    before = choose(None, None, None)
    assert choose(None, None, before) == before
    moved = choose(None, None, before.model_copy(update={"broker": taken}))
    assert moved.broker != taken
    assert (moved.controller, moved.registry) == (before.controller, before.registry)


def test_a_given_port_in_use_names_port_option_and_process(taken: int) -> None:
    with pytest.raises(ConfigError) as caught:
        choose(taken, None, None)
    assert f"port {taken} is in use by" in str(caught.value)
    assert f"(pid {os.getpid()})" in caught.value.message("zh")
    assert caught.value.where == f"--kafka-port {taken}"


def test_one_port_for_both_is_refused() -> None:
    free = choose(None, None, None).broker
    with pytest.raises(ConfigError, match="cannot share"):
        choose(free, free, None)


def test_given_ports_are_used() -> None:
    free = choose(None, None, None)
    assert choose(free.registry, free.broker, free) == Ports(
        broker=free.registry, controller=free.controller, registry=free.broker
    )


def test_a_secured_cluster_keeps_its_places_but_for_what_is_asked() -> None:
    first = secured_ports(Asked(outside=Outside(host="bus.example", port=choose(None, None, None).broker)), None)
    assert secured_ports(Asked(), first) == first
    other = choose(None, None, None).broker
    assert secured_ports(Asked(kafka=other), first) == first.model_copy(update={"broker": other})


def test_a_secured_cluster_never_moves_away_from_a_taken_port_by_itself(taken: int) -> None:
    first = secured_ports(Asked(), None)
    for name in ("broker", "controller", "registry", "internal"):
        with pytest.raises(ConfigError, match=f"port {taken} of this secured cluster is in use by"):
            secured_ports(Asked(), first.model_copy(update={name: taken}))


def test_two_listeners_on_one_port_are_refused() -> None:
    first = secured_ports(Asked(), None)
    with pytest.raises(ConfigError, match="cannot share"):
        secured_ports(Asked(outside=Outside(host="bus.example", port=first.broker)), first)


@pytest.mark.parametrize(
    "text", ["bus.example", "bus.example:0", "bus.example:70000", ":9094", "a b:9", "0.0.0.0:9094"]
)
def test_what_is_no_address_to_tell_clients_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        Outside.read(text)
