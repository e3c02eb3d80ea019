"""On a secured cluster a program needs its department's credentials and a grant's id, nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from consumers import Event, GenerationStarted, GrantEnded, Subscriber
from consumers.examples import print_changes
from infra.control import revoke
from infra.security.certificates import certificates
from schemas.errors import ConfigError
from tests.infra.security.test_access import City, city, exchange  # noqa: F401 - fixtures
from tests.kit.exchange_lab import within


@pytest.mark.usefixtures("exchange")
def test_a_program_reads_its_grant_to_the_end_with_credentials_alone(
    city: City,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    city.publish(1, 2)
    given, home = city.subscriber.credentials, tmp_path / "home"
    assert given is not None
    monkeypatch.setenv("BUS_HOME", str(home))
    with Subscriber(city.grant, credentials=given) as events, ThreadPoolExecutor(1) as office:
        started, first, second = next(events), next(events), next(events)
        events.acknowledge_all()
        office.submit(revoked_once_settled, city, events)
        (ended,) = list(events)
    assert isinstance(started, GenerationStarted)
    assert [e.key["id"] for e in (first, second) if isinstance(e, Event)] == ["k1", "k2"]
    assert isinstance(ended, GrantEnded)
    assert (ended.reason, ended.cut_off, ended.destroy_by is not None) == ("revoked", False, True)
    monkeypatch.setenv("BUS_CREDENTIALS", str(given))
    print_changes.main(city.grant)
    said = capsys.readouterr().out
    assert "everything released before its end was read" in said, "started anew, it hears of the end and nothing else"
    assert "bus destroyed" in said


def revoked_once_settled(city: City, events: Subscriber) -> None:  # noqa: F811
    """Revoke the grant when the marker behind the last event has been passed, too."""
    within(20, lambda: events._ledger is not None and str(events._ledger.position).endswith(":3"))
    revoke(city.cluster.settings, city.grant)


@pytest.mark.usefixtures("exchange")
def test_the_print_example_runs_with_credentials_from_the_environment(
    city: City,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    city.publish(7)
    bureau = city.cluster.settings  # before the environment names the department's credentials
    monkeypatch.setenv("BUS_CREDENTIALS", str(city.subscriber.credentials))
    monkeypatch.setenv("BUS_HOME", str(tmp_path))
    printed: list[tuple[object, ...]] = []

    def show(*words: object) -> None:
        printed.append(words)
        if len(printed) == 2:
            revoke(bureau, city.grant)

    monkeypatch.setattr(print_changes, "print", show, raising=False)
    print_changes.main(city.grant)
    assert printed[1][:2] == ("c", {"id": "k7"})
    assert "has ended (revoked)" in str(printed[-1])


def test_a_wrong_password_is_told_at_once_and_not_tried_again(city: City, tmp_path: Path) -> None:  # noqa: F811
    wrong = city.subscriber.model_copy(update={"sasl_password": SecretStr("wrong"), "credentials": None})
    tried: list[object] = []
    with (
        Subscriber(city.grant, settings=wrong, ledger=tmp_path / "l", on_trouble=lambda *t: tried.append(t)) as events,
        pytest.raises(ConfigError, match="does not accept the user"),
    ):
        next(events)
    assert tried == []


def test_a_certificate_that_is_not_trusted_is_told_at_once(city: City, tmp_path: Path) -> None:  # noqa: F811
    other = certificates(tmp_path / "somebody else").authority.read_text()
    untrusting = city.subscriber.model_copy(update={"ssl_ca_pem": other, "credentials": None})
    with (
        Subscriber(city.grant, settings=untrusting, ledger=tmp_path / "l") as events,
        pytest.raises(ConfigError, match="no trusted connection"),
    ):
        next(events)


def test_a_neighbour_hears_that_there_is_no_such_grant(city: City, tmp_path: Path) -> None:  # noqa: F811
    with (
        Subscriber(city.grant, settings=city.neighbour, ledger=tmp_path / "l") as events,
        pytest.raises(ConfigError, match="there is no grant"),
    ):
        next(events)
