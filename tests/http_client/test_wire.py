"""What only a real socket does: refuse, drop, stop half-way, say nothing."""

from __future__ import annotations

import datetime as dt
import errno
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from urllib3.exceptions import NewConnectionError, ProxyError

from hector_salto.http_client import service_response, transport
from hector_salto.http_client.errors import (
    AddressError,
    ConfigurationError,
    RequestInfo,
    UnavailableError,
    UnknownOutcomeError,
)
from hector_salto.http_client.retries import retry_policy
from hector_salto.http_client.transport import FixedToken, error_for_exception

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def server(answer):
    """Calls ``answer(connection)`` after each request was read; yields the address and the list of first lines."""
    listening = socket.create_server(("127.0.0.1", 0))
    lines: list[bytes] = []

    def serve():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                lines.append(connection.recv(65536).split(b"\r\n")[0])
                answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", lines
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def drop(_connection):
    pass


def half_body(connection):
    connection.sendall(OK + b"Content-Length: 10\r\n\r\n[1,2")


def half_chunk(connection):
    connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n10\r\n[1,2")


def garbage(connection):
    connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")


def silence(connection):
    connection.recv(1)  # until the other side gives up


def ask(transport, verb):
    return transport.get(transport.url("/things")) if verb == "GET" else transport.write(verb, "/things", {})


def transport_error(number):
    fault = NewConnectionError(None, "any words")
    fault.__cause__ = OSError(number, "any words")
    return requests.ConnectionError(fault)


def failing():
    raise UnavailableError(RequestInfo("Hector", "h"), "failed")


@pytest.fixture
def _impatient(monkeypatch):
    monkeypatch.setattr(transport, "TIMEOUT", (0.1, 0.1))


@pytest.mark.parametrize("answer", [drop, half_body, half_chunk, garbage, silence])
@pytest.mark.usefixtures("_impatient")
def test_a_read_that_got_no_whole_answer_is_tried_again(open_transport, answer):
    with server(answer) as (address, lines):
        with pytest.raises(UnavailableError):
            open_transport(address).get(f"{address}/things")
        assert lines == [b"GET /things HTTP/1.1"] * 5


@pytest.mark.parametrize("answer", [drop, half_body, half_chunk, garbage, silence])
@pytest.mark.parametrize("verb", ["POST", "PATCH"])
@pytest.mark.usefixtures("_impatient")
def test_a_write_that_got_no_whole_answer_is_sent_once(open_transport, answer, verb):
    with server(answer) as (address, lines):
        with pytest.raises(UnknownOutcomeError):
            open_transport(address).write(verb, "/things", {"a": 1})
        time.sleep(0.05)
        assert len(lines) == 1


@pytest.mark.parametrize("token", ["日本", "two\nlines"])
def test_a_token_that_no_header_can_carry_is_a_wrong_connection(open_transport, token):
    with server(drop) as (address, lines):
        with pytest.raises(ConfigurationError, match="token") as raised:
            open_transport(address, bearer=FixedToken(token)).write("POST", "/things", {})
        assert (lines, token in str(raised.value)) == ([], False)


def test_a_write_to_a_closed_port_was_never_sent(open_transport, fake_time):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"

    with pytest.raises(UnavailableError, match=f"refuses connections at {address}: check host and port"):
        open_transport(address).write("POST", "/things", {})
    assert len(fake_time.sleeps) == 4


@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_unknown_host(open_transport, fake_time, monkeypatch, verb):
    """A name that no name server knows is reported at once as a wrong address; a write was not sent."""

    def unknown(*_arguments, **_named):
        raise socket.gaierror(socket.EAI_NONAME, "any words")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(AddressError, match=r"is not found.*correct the host of https://nowhere\.example") as raised:
        ask(open_transport("https://nowhere.example"), verb)
    assert fake_time.sleeps == []
    assert "any words" not in str(raised.value)


def test_silent_name_server(open_transport, fake_time, monkeypatch):
    """No answer about a name says nothing about the address: it is tried again."""

    def unanswered(*_arguments, **_named):
        raise socket.gaierror(socket.EAI_AGAIN, "any words")

    monkeypatch.setattr(socket, "getaddrinfo", unanswered)
    with pytest.raises(UnavailableError, match="no name server answers"):
        ask(open_transport("https://acme.example"), "GET")
    assert len(fake_time.sleeps) == 4


def test_no_tls(open_transport, fake_time):
    """A port that answers something other than TLS is a wrong address, reported at once."""
    with server(garbage) as (address, lines):
        at = address.replace("http:", "https:")
        with pytest.raises(AddressError, match=f"speaks no TLS at {at}: check host and port"):
            ask(open_transport(at), "GET")
        assert len(lines) == 1
    assert fake_time.sleeps == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (transport_error(errno.ECONNREFUSED), "refuses connections"),
        (transport_error(errno.EHOSTUNREACH), "no route leads"),
        (transport_error(errno.EMFILE), "cannot be reached at"),
        (requests.ConnectTimeout(), "nothing answers at"),
        (requests.exceptions.ProxyError(ProxyError("any words", OSError())), "through this machine's proxy"),
    ],
)
def test_what_keeps_a_connection_from_being_made(fault, said):
    """Sorted by type and number: a write was not sent, and may be tried again."""
    exchange = RequestInfo("Hector", "hector_campus", "POST", "/things", address="https://acme.example")

    error = error_for_exception(exchange, fault)

    assert isinstance(error, UnavailableError)
    assert said in str(error)
    assert "any words" not in str(error)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (10, "has expired"),
        (18, "is signed by itself"),
        (20, "does not trust"),
        (62, "another host"),
        (1, "be verified"),
    ],
)
def test_what_is_wrong_with_a_certificate(code, said):
    """OpenSSL's number decides."""
    fault = ssl.SSLCertVerificationError(1, "any words")
    fault.verify_code = code
    exchange = RequestInfo("Hector", "hector_campus", "POST", "/things", address="https://acme.example")

    error = error_for_exception(exchange, requests.exceptions.SSLError(fault))

    assert isinstance(error, AddressError)
    assert said in str(error)
    assert "https://acme.example" in str(error)


@pytest.mark.parametrize(("method", "kind"), [("GET", AddressError), ("POST", UnknownOutcomeError)])
def test_no_tls_in_the_middle_of_a_write(method, kind):
    """The same bytes can come after a write was sent: its outcome is unknown."""
    fault = ssl.SSLError(1, "any words")
    fault.reason = "WRONG_VERSION_NUMBER"

    assert isinstance(
        error_for_exception(RequestInfo("Hector", "h", method), requests.exceptions.SSLError(fault)), kind
    )


def test_one_try_for_a_person_who_waits(fake_time):
    """What fails is reported at once."""
    retry = retry_policy(replace(fake_time.timing, patient=False))

    with pytest.raises(UnavailableError):
        retry(failing)
    assert fake_time.sleeps == []


def test_an_answer_that_never_ends_is_cut_off(open_transport, monkeypatch):
    monkeypatch.setattr(service_response, "MAX_BODY_BYTES", 1000)

    def endless(connection):
        connection.sendall(OK + b"\r\n[" + b"1," * 5000)

    with server(endless) as (address, _), pytest.raises(UnavailableError):
        open_transport(address).get(f"{address}/things")


def test_a_connection_is_kept_for_the_next_request(open_transport):
    def answer_twice(connection):
        connection.sendall(OK + b"Content-Length: 2\r\n\r\n[]")
        connection.recv(65536)
        connection.sendall(OK + b"Content-Length: 2\r\n\r\n[]")

    with server(answer_twice) as (address, lines):
        kept = open_transport(address)
        kept.get(f"{address}/things")
        kept.get(f"{address}/things")
        assert len(lines) == 1


@pytest.mark.parametrize(("pause", "connections"), [(3.9, 1), (4.1, 2)])
def test_a_connection_that_was_idle_is_not_used_again(open_transport, fake_time, pause, connections):
    """The server may be closing it just now; a write sent into that may or may not be carried out."""

    def answer_while_asked(connection):
        connection.sendall(OK + b"Content-Length: 2\r\n\r\n[]")
        if connection.recv(65536):
            connection.sendall(OK + b"Content-Length: 2\r\n\r\n[]")

    with server(answer_while_asked) as (address, lines):
        kept = open_transport(address)
        kept.get(f"{address}/things")
        fake_time.now += pause
        kept.get(f"{address}/things")
        assert len(lines) == connections


def certified(tmp_path, name):
    """A server's TLS context, and the file of its certificate, for a host of this name."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(names, names, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / f"{name}.pem"
    unencrypted = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unencrypted)
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context, str(pem)


@contextmanager
def secured(context):
    """A TLS server; yields its port and what it heard."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def shake_hands():
            connection, _ = listening.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as secure:
                    heard.append(secure.recv(65536))
                    secure.sendall(OK + b"Content-Length: 2\r\n\r\n[]")
            except OSError:
                connection.close()

        thread = threading.Thread(target=shake_hands, daemon=True)
        thread.start()
        yield listening.getsockname()[1], heard
        thread.join(5)


def test_a_certificate_nobody_vouches_for_stops_before_the_token_is_sent(open_transport, tmp_path):
    context, _ = certified(tmp_path, "localhost")
    with secured(context) as (port, heard), pytest.raises(ConfigurationError, match="certificate"):
        open_transport(f"https://localhost:{port}").write("POST", "/things", {})
    assert not any(heard)


@pytest.mark.parametrize(("name", "trusted"), [("localhost", True), ("somebody-else.example", False)])
def test_a_certificate_counts_for_its_own_host_only(open_transport, tmp_path, monkeypatch, name, trusted):
    """Whoever signed it is trusted here; the token is sent only when it is also the host that was asked for."""
    context, pem = certified(tmp_path, name)
    make = transport.new_session

    def trusting(base_url):
        session = make(base_url)
        session.verify = pem
        return session

    monkeypatch.setattr(transport, "new_session", trusting)
    with secured(context) as (port, heard):
        opened = open_transport(f"https://localhost:{port}")
        if trusted:
            opened.get(f"https://localhost:{port}/things")
        else:
            with pytest.raises(ConfigurationError, match="certificate"):
                opened.write("POST", "/things", {})
    assert any(heard) is trusted
