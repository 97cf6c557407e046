"""Why a connection failed: name, route, port, TLS or certificate, distinguished by type and number of the error."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import TYPE_CHECKING

import requests
from urllib3.exceptions import NewConnectionError, ProxyError

from hector_salto.http_client.errors import NON_IDEMPOTENT, AddressError, RequestInfo, RestError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN_HOST_CODES = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
NO_ROUTE_CODES = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL})
# OpenSSL's names for "these bytes are no TLS", and for "this TLS is not one that we speak".
NOT_TLS_REASONS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST"})
TLS_MISMATCH_REASONS = frozenset(
    {
        "UNSUPPORTED_PROTOCOL",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        "TLSV1_UNRECOGNIZED_NAME",
        "DH_KEY_TOO_SMALL",
    }
)
# OpenSSL's X509_V_ERR_*: what is wrong with a certificate, and what to check.
NOT_YET_VALID, EXPIRED, SELF_SIGNED, SELF_SIGNED_CHAIN, UNKNOWN_ISSUER, OTHER_HOST, OTHER_ADDRESS = (
    9,
    10,
    18,
    19,
    20,
    62,
    64,
)
ISSUER_STEP = "have the service send its whole chain, or trust its issuer on this machine (REQUESTS_CA_BUNDLE)"
CLOCK_STEP = "check this machine's clock, else have the service renew its certificate"
HOST_STEP = "correct the host of {at} in the connection"
CERTIFICATE_FAULTS = {
    NOT_YET_VALID: ("is not valid yet", CLOCK_STEP),
    EXPIRED: ("has expired", CLOCK_STEP),
    SELF_SIGNED: ("is signed by itself", ISSUER_STEP),
    SELF_SIGNED_CHAIN: ("has an issuer that this machine does not trust", ISSUER_STEP),
    UNKNOWN_ISSUER: ("has an issuer that this machine does not trust", ISSUER_STEP),
    OTHER_HOST: ("belongs to another host", HOST_STEP),
    OTHER_ADDRESS: ("belongs to another host", HOST_STEP),
}


def error_for_connection(exchange: RequestInfo, causes: Sequence[object]) -> RestError | None:
    """Return the error for a connection that was never made; None: one was made, and failed later.

    An address that cannot be right is an AddressError and is not asked again; one that may answer soon is unavailable.
    """
    at = exchange.address or "the address"
    if any(isinstance(cause, ProxyError) for cause in causes):
        step = "check HTTPS_PROXY and NO_PROXY where Airflow runs"
        return UnavailableError(exchange, "cannot be reached through this machine's proxy", step)
    for cause in causes:
        if isinstance(cause, ssl.SSLError) and (error := _error_for_tls(exchange, cause, at)):
            return error
        if isinstance(cause, socket.gaierror):
            return _error_for_name(exchange, cause, at)
    # ConnectTimeout is what requests makes of a handshake that never ended: nothing was sent.
    if any(isinstance(cause, requests.ConnectTimeout) for cause in causes):
        step = f"check host and port of {at} in the connection, and the firewalls in between"
        return UnavailableError(exchange, f"cannot be reached: nothing answers at {at}", step)
    if any(isinstance(cause, NewConnectionError) for cause in causes):
        return _error_for_unreachable(exchange, causes, at)
    return None


def _error_for_tls(exchange: RequestInfo, error: ssl.SSLError, at: str) -> RestError | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        fault, step = CERTIFICATE_FAULTS.get(error.verify_code, ("cannot be verified", "check {at} in the connection"))
        return AddressError(exchange, f"shows a certificate that {fault}, at {at}", step.format(at=at))
    if exchange.method in NON_IDEMPOTENT:
        return None  # such bytes can also come after the request: its outcome is unknown
    if error.reason in NOT_TLS_REASONS:
        step = f"check host and port of {at} in the connection: nothing there is served over https"
        return AddressError(exchange, f"speaks no TLS at {at}", step)
    if error.reason in TLS_MISMATCH_REASONS:
        step = f"check host and port of {at} in the connection, else have the service offer TLS 1.2 or newer"
        return AddressError(exchange, f"agrees on no TLS version or name at {at}", step)
    return None


def _error_for_name(exchange: RequestInfo, error: socket.gaierror, at: str) -> RestError:
    if error.errno in UNKNOWN_HOST_CODES:
        step = f"correct the host of {at} in the connection"
        return AddressError(exchange, f"is not found: no name server knows the host of {at}", step)
    step = f"check the name servers (DNS) of the machine where Airflow runs, and the host of {at}"
    return UnavailableError(exchange, f"cannot be looked up: no name server answers for the host of {at}", step)


def _error_for_unreachable(exchange: RequestInfo, causes: Sequence[object], at: str) -> RestError:
    codes = {cause.errno for cause in causes if isinstance(cause, OSError)}
    if errno.ECONNREFUSED in codes:
        what, check = f"refuses connections at {at}", "host and port"
    elif codes & NO_ROUTE_CODES:
        what, check = f"cannot be reached: no route leads to {at}", "the host"
    else:
        what, check = f"cannot be reached at {at}", "host and port"
    step = f"check {check} in the connection and the network, else wait for the service and run again"
    return UnavailableError(exchange, what, step)
