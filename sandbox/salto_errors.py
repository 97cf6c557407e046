"""Salto's errors: PascalCase keys, and codes that are strings."""

from __future__ import annotations

from http import HTTPStatus

from sandbox.web import Refused, json_reply

MALFORMED = "1100"
INVALID_VALUE = "1101"
BAD_ODATA = "1102"
NOT_FOUND = "2202"
NOT_PERMITTED = "2203"
NOT_RELEASED = "2210"
NO_SUBSCRIPTION = "2212"
POD_MEMBER = "2220"


def refusal(status: int, code: str, message: str) -> Refused:
    return Refused(json_reply({"ErrorCode": code, "Message": message}, status))


def malformed(message: str) -> Refused:
    return refusal(HTTPStatus.BAD_REQUEST, MALFORMED, message)


def invalid(message: str) -> Refused:
    return refusal(HTTPStatus.BAD_REQUEST, INVALID_VALUE, f"Validation failed: {message}")


def not_found(what: str) -> Refused:
    return refusal(HTTPStatus.NOT_FOUND, NOT_FOUND, f"{what} not found")


def forbidden(message: str = "Operation not permitted", code: str = NOT_PERMITTED) -> Refused:
    return refusal(HTTPStatus.FORBIDDEN, code, message)
