"""The fields of a connection as people paste them: read where only one thing can be meant, else refused by name."""

from __future__ import annotations

import json
import string
from functools import cached_property
from typing import TYPE_CHECKING, Any

from urllib3.util import parse_url

from hector_salto.http_client.addresses import PORTS, base_address, is_loopback
from hector_salto.http_client.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from hector_salto.http_client.errors import RequestInfo

# What a copied text brings along at its ends: also no-break and zero-width spaces, direction marks and a BOM.
BLANKS = string.whitespace + "\u00a0\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufeff"
MAX_ENCODINGS = 3  # times that extra fields are found inside a text
ADDRESS_FIELDS = ("host", "url", "base_url", "api_url")  # where else people put the address


def missing_connection(conn_id: str, exchange: RequestInfo) -> ConfigurationError:
    """Return the error for a connection that Airflow does not have, or cannot read."""
    step = f"make it under Admin > Connections, or set AIRFLOW_CONN_{conn_id.upper()} to valid JSON"
    return ConfigurationError(exchange, "cannot be found or read in Airflow", step)


class ConnectionFields:
    """One connection of Airflow's.

    :param connection: as Airflow gives it.
    :param exchange: names service and connection in errors.
    """

    def __init__(self, connection: Connection, exchange: RequestInfo) -> None:
        self._connection = connection
        self._exchange = exchange

    def require(self, value: object, field: str) -> str:
        """Return a field's text without what was copied along at its ends.

        Raises:
            ConfigurationError: when it is blank, or no text.
        """
        if value is not None and not isinstance(value, str):
            raise ConfigurationError(self._exchange, f"has {field} that is no text", "write it in quotes")
        text = (value or "").strip(BLANKS)
        if not text:
            raise ConfigurationError(self._exchange, f"has no {field}")
        return text

    def login(self, field: str) -> str:
        return self.require(self._connection.login, field)

    def password(self, field: str) -> str:
        return self.require(self._connection.password, field)

    def extra_field(self, name: str) -> str:
        return self.require(self.extras.get(name), f"{name} in its extra fields")

    def host(self, field: str) -> str:
        """Return the address in the host, or in the extra field where some put it.

        Raises:
            ConfigurationError: when there is none, or it is in another field.
        """
        spare = next((self.extras[name] for name in ADDRESS_FIELDS if self.extras.get(name)), None)
        if not _is_blank(self._connection.host) or spare is not None:
            value = spare if _is_blank(self._connection.host) else self._connection.host
            return self.address(value, field, schema=self._connection.schema, port=self._connection.port)
        for name in ("login", "schema"):
            if "://" in str(getattr(self._connection, name) or ""):
                step = f"move the address from {name} to host"
                raise ConfigurationError(self._exchange, f"has no {field}, but an address in its {name}", step)
        raise ConfigurationError(self._exchange, f"has no {field}")

    def address(self, value: object, field: str, *, schema: str | None = None, port: int | None = None) -> str:
        """Return an address with its scheme: https where none is given, but for this machine, where both are usual.

        Raises:
            ConfigurationError: when it is none, or its scheme is missing and cannot be known.
        """
        text = self.require(value, field)
        if "://" not in text:
            text = text.removeprefix("//")
            given = (schema or "").strip(BLANKS).lower()
            if given not in PORTS and is_loopback(_host_of(text)):
                step = f"write http:// or https:// before the {field}"
                raise ConfigurationError(self._exchange, f"has a {field} without a scheme", step)
            text = f"{given if given in PORTS else 'https'}://{text}"
        base = base_address(text, field, self._exchange)
        url = parse_url(base)
        return base if port is None or url.port is not None else url._replace(port=port).url

    @cached_property
    def extras(self) -> dict[str, Any]:
        """The extra fields, also when they were encoded once more, or put into a list of one.

        Raises:
            ConfigurationError: when they are anything else.
        """
        value: object = self._connection.extra or {}
        try:
            for _ in range(MAX_ENCODINGS):
                value = json.loads(value.strip(BLANKS) or "{}") if isinstance(value, str) else value
                value = value[0] if isinstance(value, list) and len(value) == 1 else value
        except ValueError:
            value = None
        if isinstance(value, dict):
            return value
        step = 'write them as one JSON object, {"name": "value"}'
        raise ConfigurationError(self._exchange, "has extra fields that are no JSON object", step)


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip(BLANKS))


def _host_of(address: str) -> str:
    """Return the host of an address without a scheme."""
    authority = address.partition("/")[0]
    return authority.partition("]")[0] if authority.startswith("[") else authority.partition(":")[0]
