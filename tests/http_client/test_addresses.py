from __future__ import annotations

import pytest

from hector_salto.http_client.addresses import base_address, query, same_service, segment
from hector_salto.http_client.errors import ConfigurationError, RequestInfo

EXCHANGE = RequestInfo("Salto KS", "salto_campus")


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://connect.my-clay.com/", "https://connect.my-clay.com"),
        (" https://acme.example/api/v1 ", "https://acme.example/api/v1"),
        ("http://127.0.0.1:8001/api/v1", "http://127.0.0.1:8001/api/v1"),
        ("http://localhost:8001", "http://localhost:8001"),
        ("http://[::1]:8001", "http://[::1]:8001"),
    ],
)
def test_https_and_this_machine_may_be_called(given, used):
    assert base_address(given, "host", EXCHANGE) == used


@pytest.mark.parametrize(
    "given",
    [
        "http://connect.my-clay.com",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://0.0.0.0",
        "connect.my-clay.com",
        "ftp://connect.my-clay.com",
        "https://",
        "https://user:word@connect.my-clay.com",
        "https://connect.my-clay.com/?a=b",
        "https://connect.my-clay.com/#a",
        "https://connect my-clay.com",
        "file:///etc/passwd",
        "https://[::1",
        "https://https:/connect.my-clay.com",
        "https://https://connect.my-clay.com",
    ],
)
def test_nothing_else_may(given):
    with pytest.raises(ConfigurationError, match=r"salto_campus.*host"):
        base_address(given, "host", EXCHANGE)


BASE = "https://api.example"


@pytest.mark.parametrize(
    ("link", "followed"),
    [
        ("https://api.example/v1.1/sites?$skip=100", "https://api.example/v1.1/sites?$skip=100"),
        ("https://api.example:443/v1.1/sites", "https://api.example:443/v1.1/sites"),
        ("https://API.example/v1.1/sites", "https://api.example/v1.1/sites"),
        ("http://api.example/v1.1/sites", "https://api.example/v1.1/sites"),
        ("http://api.example:80/v1.1/sites", "https://api.example/v1.1/sites"),
        (
            "https://api.example/users?$filter=user/email%20eq%20'a@b.example'",
            "https://api.example/users?$filter=user/email%20eq%20'a@b.example'",
        ),
    ],
)
def test_links_of_the_service_itself_are_followed(link, followed):
    assert same_service(link, BASE) == followed


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/v1.1/sites",
        "https://api.example.evil.example/",
        "https://evil.example/https://api.example",
        "https://api.example@evil.example/",
        "https://evil.example\\@api.example/",
        "https://api.example\\@evil.example/",
        "https://user@api.example/",
        "https://api.example:8443/",
        "http://api.example:8080/",
        "http://evil.example/",
        "//evil.example/",
        "/v1.1/sites",
        "ftp://api.example/",
        "https://api.example /",
        "https://api.example\t.evil.example/",
        "",
    ],
)
def test_links_to_anywhere_else_are_not(link):
    assert same_service(link, BASE) is None


def test_a_loopback_service_is_not_turned_into_https():
    assert same_service("http://127.0.0.1:9/a", "http://127.0.0.1:9") == "http://127.0.0.1:9/a"
    assert same_service("http://127.0.0.1:10/a", "http://127.0.0.1:9") is None


@pytest.mark.parametrize("identifier", ["", ".", ".."])
def test_an_id_cannot_climb_out_of_its_path(identifier):
    with pytest.raises(ValueError, match="cannot be an id"):
        segment(identifier)


def test_an_id_is_one_segment_whatever_it_holds():
    assert segment("../a?b#c d") == "..%2Fa%3Fb%23c%20d"


def test_query_writes_spaces_and_plus_so_that_every_reader_agrees():
    assert query({"$filter": "user/email eq 'a+b''c@x'"}) == "$filter=user/email%20eq%20'a%2Bb''c%40x'"
