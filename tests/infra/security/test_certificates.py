"""Certificates with a clock that is given: how long they last, and what a renewal changes and keeps."""

from __future__ import annotations

import datetime as dt
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from infra.security.certificates import (
    RENEW,
    Certificates,
    certificates,
    is_due,
    read_certificate,
    renew,
    valid_for,
)
from schemas.errors import ConfigError

NOW = dt.datetime(2027, 3, 1, 12, tzinfo=dt.UTC)
YEAR = dt.timedelta(days=365)
HOSTS = ("bus.example", "10.1.2.3")


@pytest.fixture
def own(tmp_path: Path) -> Certificates:
    """Made at NOW."""
    return certificates(tmp_path / "security", HOSTS, now=NOW)


def believed(file: Path, authority: x509.Certificate, at: dt.datetime, host: str = "bus.example") -> bool:
    """Whether a client that holds this authority's certificate believes the server then."""
    verifier = PolicyBuilder().store(Store([authority])).time(at).build_server_verifier(x509.DNSName(host))
    try:
        verifier.verify(read_certificate(file), [])
    except VerificationError:
        return False
    return True


def test_the_broker_is_believed_by_every_name_it_was_given_until_two_years_later(own: Certificates) -> None:
    authority = read_certificate(own.authority)
    assert {*HOSTS, "localhost", "127.0.0.1"} == valid_for(read_certificate(own.broker))
    assert believed(own.broker, authority, NOW + 2 * YEAR - dt.timedelta(days=1))
    assert not believed(own.broker, authority, NOW + 2 * YEAR + dt.timedelta(days=1))
    assert not believed(own.broker, authority, NOW, "elsewhere.example")


def test_a_renewal_is_due_when_little_time_is_left_or_a_name_is_missing(own: Certificates) -> None:
    end = NOW + 2 * YEAR
    assert not is_due(own, HOSTS, end - RENEW)
    assert is_due(own, HOSTS, end - RENEW + dt.timedelta(minutes=1))
    assert is_due(own, (*HOSTS, "new.example"), NOW)
    assert not is_due(own, (), NOW)


def test_after_a_renewal_who_trusts_the_authority_goes_on_trusting_the_broker(own: Certificates) -> None:
    held = read_certificate(own.authority)
    old_key = own.broker.read_text()
    later = NOW + 2 * YEAR - dt.timedelta(days=3)
    renew(own, HOSTS, later)
    assert read_certificate(own.authority) == held
    assert own.broker.read_text().split("-----END")[0] != old_key.split("-----END")[0]
    assert not is_due(own, HOSTS, later)
    assert believed(own.broker, held, later + YEAR)
    assert {stat.S_IMODE(f.stat().st_mode) for f in own.broker.parent.iterdir()} == {0o600}


def test_an_authority_past_half_its_time_is_issued_anew_and_old_and_new_are_believed(own: Certificates) -> None:
    held = read_certificate(own.authority)
    before = own.broker.read_bytes()
    later = NOW + 5 * YEAR + dt.timedelta(days=1)
    assert is_due(own, HOSTS, later)
    renew(own, HOSTS, later)
    fresh = read_certificate(own.authority)
    assert fresh.not_valid_after_utc > held.not_valid_after_utc
    assert fresh.public_key() == held.public_key()
    for authority in (held, fresh):
        assert believed(own.broker, authority, later + YEAR)
    assert not believed(own.broker, held, NOW + 10 * YEAR + dt.timedelta(days=1))
    own.broker.write_bytes(before)  # as an interrupted renewal leaves it
    assert believed(own.broker, fresh, NOW + YEAR) == (fresh.not_valid_before_utc <= NOW + YEAR)


def test_each_renewal_in_time_leaves_an_authority_that_outlasts_what_it_signed(own: Certificates) -> None:
    now = NOW
    for _ in range(20):
        now += 2 * YEAR - RENEW + dt.timedelta(days=1)
        assert is_due(own, HOSTS, now)
        renew(own, HOSTS, now)
        assert read_certificate(own.authority).not_valid_after_utc - now >= 3 * YEAR


def test_without_the_authority_s_key_nothing_is_renewed_and_nothing_changed(own: Certificates) -> None:
    own.authority_key.unlink()
    before = own.broker.read_bytes()
    with pytest.raises(ConfigError, match="authority's key is not here"):
        renew(own, HOSTS, NOW + YEAR)
    assert own.broker.read_bytes() == before
