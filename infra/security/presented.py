"""The certificate a server shows to whoever connects."""

from __future__ import annotations

import socket
import ssl

from cryptography import x509

_TIMEOUT_S = 5.0


def presented(host: str, port: int) -> x509.Certificate:
    """What is shown there, valid or not. OSError (ssl.SSLError is one) if nobody listens or it is not TLS.

    Nothing is sent over the connection, and one that has ended must be readable, so who showed it is not verified.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((host, port), timeout=_TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as encrypted,
    ):
        shown = encrypted.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown)
