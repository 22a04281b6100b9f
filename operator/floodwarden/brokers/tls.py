"""What TLS connections to brokers are made with, whatever these are; what a client shows of itself its adapter adds."""

from __future__ import annotations

import ssl


def trusting(ca: bytes | None) -> ssl.SSLContext:
    """At least TLS 1.2, host names checked; ``ca`` is PEM, without it the system's authorities are trusted.

    ValueError where it cannot be used: its text says what to correct, and quotes nothing of it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cadata=ca.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise ValueError("the CA holds no usable PEM certificate; correct the Secret of caSecretRef") from None
    return context
