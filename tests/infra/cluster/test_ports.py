"""Ports: given, remembered, free, taken."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from infra.cluster.ports import HOST, Ports, choose, is_free
from schemas.errors import ConfigError


@pytest.fixture
def taken() -> Iterator[int]:
    """A port this process listens on."""
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(("secure", "listeners"), [(False, 3), (True, 4)])
def test_chosen_ports_are_free_and_different(secure: bool, listeners: int) -> None:
    ports = choose(None, None, None, secure=secure)
    numbers = set(ports.model_dump(exclude_none=True).values())
    assert len(numbers) == listeners
    assert all(is_free(port) for port in numbers)


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
