"""A sandbox with nothing in it but a site, and clients that speak plain HTTP to it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import pytest
import requests

from sandbox import Sandbox, empty
from sandbox.roles import USER_ID

NOW = dt.datetime(2026, 1, 14, 15, 0, tzinfo=dt.UTC)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


@dataclass
class Client:
    """Requests below the site's path, with a token."""

    sandbox: Sandbox
    version: str = "v1.1"
    session: requests.Session = field(default_factory=requests.Session)

    def token(self, **changes):
        known = self.sandbox.credentials
        form = {
            "grant_type": "password",
            "username": known.username,
            "password": known.user_password,
            "scope": "user_api.full_access",
        }
        basic = changes.pop("auth", (known.client_id, known.client_secret))
        return requests.post(f"{self.sandbox.identity_url}/connect/token", data=form | changes, auth=basic, timeout=5)

    def sign_in(self):
        self.session.headers["Authorization"] = f"Bearer {self.token().json()['access_token']}"
        return self

    @property
    def root(self):
        return f"{self.sandbox.salto_url}/{self.version}"

    def ask(self, method, path, body=None, *, timeout=5, **query):
        url = path if path.startswith("http") else f"{self.root}/sites/{self.sandbox.salto.site.id}{path}"
        return self.session.request(method, url, json=body, params=query or None, timeout=timeout)

    def get(self, path, **query):
        return self.ask("GET", path, **query)

    def post(self, path, body):
        return self.ask("POST", path, body)

    def patch(self, path, body):
        return self.ask("PATCH", path, body)

    def delete(self, path):
        return self.ask("DELETE", path)

    def new_user(self, **fields):
        return self.post("/users", {"first_name": "Mira", "last_name": "Sound", "role_ids": [USER_ID]} | fields)

    def new_group(self, name="Hector_1"):
        return f"/access_groups/{self.post('/access_groups', {'customer_reference': name}).json()['id']}"


def code_of(response):
    """Status and Salto's error code."""
    return response.status_code, response.json()["ErrorCode"]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sandbox(clock):
    with Sandbox(empty(), clock=clock) as running:
        yield running


@pytest.fixture
def salto(sandbox):
    client = Client(sandbox).sign_in()
    sandbox.log.clear()
    yield client
    client.session.close()


@pytest.fixture
def hector(sandbox):
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {sandbox.credentials.hector_token}"

        def ask(path, method="GET", body=None, **query):
            return session.request(method, sandbox.hector_url + path, json=body, params=query, timeout=5)

        yield ask


@pytest.fixture
def refused():
    return code_of
