"""Until when a cluster's certificates are believed, as whoever connects sees it: no access to the cluster's files is needed."""

from __future__ import annotations

import datetime as dt

from cryptography import x509

from infra.runtime.settings import Settings
from infra.security.presented import presented
from schemas.errors import TransientError
from schemas.text import Text


def believed_until(settings: Settings) -> dict[str, dt.datetime]:
    """When they end: `broker`, the first of what each broker we are told of shows, and `authority`, the first of whom we
    trust, if that is not left to the system. Empty without TLS.

    Raises TransientError if a broker does not answer.
    """
    if not settings.security_protocol.endswith("SSL"):
        return {}
    shown = [_shown(address.strip()) for address in (settings.bootstrap_servers or "").split(",")]
    authority = settings.ssl_ca_pem or (settings.ssl_ca_location and settings.ssl_ca_location.read_text())
    trusted = x509.load_pem_x509_certificates(authority.encode()) if authority else []
    found = {"broker": shown, "authority": trusted}
    return {name: min(c.not_valid_after_utc for c in some) for name, some in found.items() if some}


def _shown(address: str) -> x509.Certificate:
    host, _, port = address.rpartition(":")
    try:
        return presented(host.strip("[]"), int(port))
    except OSError as error:
        raise TransientError(
            Text("the broker shows no certificate.", "代理未出示证书。"),
            where=address,
            hint=Text("Run 'bus status'.", "请运行 'bus status'。"),
        ) from error
