"""What only a real socket does: refuse, drop, stop half-way, say nothing."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from rest import answers, transport
from rest.errors import UnavailableError, UnknownOutcomeError

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


def test_a_write_to_a_closed_port_was_never_sent(open_transport, fake_time):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"

    with pytest.raises(UnavailableError, match="cannot be reached"):
        open_transport(address).write("POST", "/things", {})
    assert len(fake_time.sleeps) == 4


def test_an_answer_that_never_ends_is_cut_off(open_transport, monkeypatch):
    monkeypatch.setattr(answers, "LARGEST", 1000)

    def endless(connection):
        connection.sendall(OK + b"\r\n[" + b"1," * 5000)

    with server(endless) as (address, _), pytest.raises(UnavailableError):
        open_transport(address).get(f"{address}/things")
