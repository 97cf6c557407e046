"""The identity server of Salto KS: password and refresh grants, opaque tokens that expire."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import secrets
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote_plus

from sandbox.web import Call, Refused, Reply, json_reply

if TYPE_CHECKING:
    from sandbox.world import World

SCOPE = "user_api.full_access"
KNOWN_SCOPES = frozenset({SCOPE, "openid", "profile", "offline_access"})


class Identity:
    """The tokens in circulation."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._expiry: dict[str, dt.datetime] = {}
        self._refresh: dict[str, str] = {}

    def expire_all(self) -> None:
        """Every access token is dead from now on; refresh tokens live."""
        with self._lock:
            self._expiry.clear()

    def accepts(self, token: str, now: dt.datetime) -> bool:
        with self._lock:
            expiry = self._expiry.get(token)
        return expiry is not None and now < expiry

    def issue(self, scope: str, now: dt.datetime, seconds: int) -> dict[str, Any]:
        token = _opaque_jwt(now, seconds)
        answer: dict[str, Any] = {
            "access_token": token,
            "expires_in": seconds,
            "token_type": "Bearer",
            "scope": scope,
        }
        with self._lock:
            self._expiry[token] = now + dt.timedelta(seconds=seconds)
            if "offline_access" in scope.split():
                answer["refresh_token"] = secrets.token_hex(32)
                self._refresh[answer["refresh_token"]] = scope
        return answer

    def redeem(self, refresh_token: str) -> str | None:
        """The scope of a refresh token, which is used up by this."""
        with self._lock:
            return self._refresh.pop(refresh_token, None)


def discovery_reply(world: World, call: Call) -> Reply:
    """``GET /.well-known/openid-configuration``."""
    return json_reply(
        {
            "issuer": call.base_url,
            "token_endpoint": f"{call.base_url}/connect/token",
            "grant_types_supported": list(world.behaviour.grant_types),
            "scopes_supported": sorted(KNOWN_SCOPES),
        }
    )


def token_reply(world: World, call: Call) -> Reply:
    """``POST /connect/token``."""
    if call.method != "POST":
        return Reply(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
    if not call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return _error("invalid_request")
    if world.behaviour.token_error is not None:
        return _error(world.behaviour.token_error)
    try:
        _check_client(world, call.headers.get("authorization", ""))
        form = dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
        scope = _granted_scope(world, form)
    except Refused as refused:
        return refused.reply
    return json_reply(world.identity.issue(scope, call.at, world.behaviour.token_seconds))


def _granted_scope(world: World, form: dict[str, str]) -> str:
    grant = form.get("grant_type")
    if grant not in ("password", "refresh_token"):
        raise Refused(_error("unsupported_grant_type"))
    if not world.behaviour.account_active:
        raise Refused(_error("invalid_grant", "user_not_active"))
    if grant == "refresh_token":
        scope = world.identity.redeem(form.get("refresh_token", ""))
        if scope is None:
            raise Refused(_error("invalid_grant"))
        return scope
    scope = form.get("scope", "")
    if SCOPE not in scope.split() or not KNOWN_SCOPES.issuperset(scope.split()):
        raise Refused(_error("invalid_scope"))
    if (form.get("username"), form.get("password")) != (world.credentials.username, world.credentials.user_password):
        raise Refused(_error("invalid_grant", "invalid_username_or_password"))
    return scope


def _check_client(world: World, header: str) -> None:
    """Both halves are form-encoded (RFC 6749, 2.3.1): this server decodes them, and takes nothing else."""
    known = world.credentials
    kind, _, encoded = header.partition(" ")
    try:
        pair = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        pair = ""
    client, _, secret = pair.partition(":")
    if not world.behaviour.plain_client:
        client, secret = unquote_plus(client), unquote_plus(secret)
    if kind.lower() != "basic" or (known.client_id, known.client_secret) != (client, secret):
        raise Refused(_error("invalid_client"))


def _error(code: str, description: str | None = None) -> Reply:
    payload = {"error": code} | ({"error_description": description} if description else {})
    return json_reply(payload, HTTPStatus.BAD_REQUEST)


def _opaque_jwt(now: dt.datetime, seconds: int) -> str:
    # It looks like a JWT and says nothing useful: its subject is no id that the API knows.
    header = {"alg": "RS256", "typ": "at+jwt", "kid": "sandbox"}
    claims = {
        "aud": "user_api",
        "sub": secrets.token_hex(8),
        "jti": secrets.token_hex(8),
        "iat": int(now.timestamp()),
        "exp": int(now.timestamp()) + seconds,
    }
    parts = [json.dumps(part, separators=(",", ":")).encode() for part in (header, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in [*parts, secrets.token_bytes(48)])
