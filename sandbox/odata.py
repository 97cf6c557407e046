"""The query options of Salto's lists: $filter, $orderby, $skip, $top, $inlinecount, and the next page's link."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from odata_query import ast
from odata_query.exceptions import ODataException
from odata_query.grammar import ODataLexer, ODataParser

from sandbox.salto_errors import BAD_ODATA, MALFORMED, refusal
from sandbox.web import Call, Reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from sandbox.behaviour import Behaviour

Item = dict[str, Any]
OPTIONS = frozenset({"$filter", "$orderby", "$skip", "$top", "$inlinecount", "$skiptoken"})


@dataclass(frozen=True)
class ListShape:
    """What a list looks like: see the switches of ``Behaviour``."""

    page_size: int
    bare: bool = False
    cut: bool = False
    count: str = "all"
    link_host: str | None = None
    case_ignored: bool = False

    @classmethod
    def of(cls, behaviour: Behaviour, *, bare: bool) -> ListShape:
        return cls(
            page_size=behaviour.page_size,
            bare=bare,
            cut=behaviour.bare_arrays_cut,
            count=behaviour.list_count,
            link_host=behaviour.next_link_host,
            case_ignored=behaviour.filter_case == "ignored",
        )


def list_reply(call: Call, items: Iterable[Item], properties: Collection[str], shape: ListShape) -> Reply:
    """One page of the items; a bare one is the naked array, which has no room for a link."""
    options = _options(call)
    tests = _Tests(properties, case_ignored=shape.case_ignored)
    found = _ordered(_filtered(list(items), options, tests), options, properties)
    start = _number(options, "$skip", 0)
    size = min(_number(options, "$top", shape.page_size), shape.page_size)
    if shape.bare:
        return json_reply(found[start : start + size] if shape.cut else found[start:])
    wants_count = options.get("$inlinecount", "none")
    if wants_count not in ("none", "allpages"):
        raise refusal(HTTPStatus.BAD_REQUEST, BAD_ODATA, "The value of $inlinecount is not known.")
    more = start + size < len(found) and size > 0
    shown = found[start : start + size]
    counts = {"all": len(found), "page": len(shown), "none": None}
    page = {
        "items": shown,
        "next_page_link": _next_link(shape.link_host or call.base_url, call, options, start + size) if more else None,
        "count": counts[shape.count] if wants_count == "allpages" else None,
    }
    return json_reply(page)


def _options(call: Call) -> dict[str, str]:
    """The options asked for; a next link carries all of them in one token and takes nothing beside it."""
    options = dict(call.query)
    token = options.pop("$skiptoken", None)
    if token is None:
        return options
    if options:
        raise refusal(HTTPStatus.BAD_REQUEST, MALFORMED, "Follow next_page_link as it is.")
    try:
        carried: dict[str, str] = json.loads(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError) as error:
        raise refusal(HTTPStatus.BAD_REQUEST, MALFORMED, "The $skiptoken is not valid.") from error
    return carried


def carried_options(call: Call) -> dict[str, str]:
    """All query parameters of a list, whether they stand in the link or in its token."""
    return _options(call)


def _next_link(host: str, call: Call, options: dict[str, str], start: int) -> str:
    token = base64.urlsafe_b64encode(json.dumps({**options, "$skip": str(start)}).encode()).decode()
    return f"{host}{call.path}?$skiptoken={token}"


def _number(options: dict[str, str], name: str, default: int) -> int:
    value = options.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit()):
        raise refusal(HTTPStatus.BAD_REQUEST, BAD_ODATA, f"The value of {name} is not a number.")
    return int(value)


def _ordered(items: list[Item], options: dict[str, str], properties: Collection[str]) -> list[Item]:
    for clause in reversed(options.get("$orderby", "").split(",")):
        words = clause.split()
        if not words:
            continue
        path, direction = words[0], " ".join(words[1:]) or "asc"
        if path not in properties or direction not in ("asc", "desc"):
            raise refusal(HTTPStatus.BAD_REQUEST, BAD_ODATA, f"Could not order by {clause.strip()!r}.")
        items = sorted(items, key=lambda item, path=path: _sort_key(_value(item, path)), reverse=direction == "desc")  # type: ignore[misc]
    return items


def _sort_key(value: object) -> tuple[bool, str]:
    return value is not None, str(value)


def _filtered(items: list[Item], options: dict[str, str], tests: _Tests) -> list[Item]:
    if "$filter" not in options:
        return items
    try:
        tree = ODataParser().parse(ODataLexer().tokenize(options["$filter"]))
        keeps = tests.of(tree)
    except (ODataException, NotImplementedError) as error:
        raise refusal(HTTPStatus.BAD_REQUEST, BAD_ODATA, f"Invalid OData expression: {error}") from error
    return [item for item in items if keeps(item)]


@dataclass(frozen=True)
class _Tests:
    """Tests of items, from the nodes of a filter."""

    properties: Collection[str]
    case_ignored: bool = False

    def of(self, node: object) -> Callable[[Item], bool]:
        match node:
            case ast.BoolOp(op=ast.And(), left=left, right=right):
                first, second = self.of(left), self.of(right)
                return lambda item: first(item) and second(item)
            case ast.Compare(comparator=ast.Eq(), left=left, right=right):
                path, wanted = _path(left, self.properties), self._folded(_literal(right))
                return lambda item: bool(self._folded(_value(item, path)) == wanted)
            case ast.Call(func=ast.Identifier(name="contains"), args=[left, ast.String(val=part)]):
                path = _path(left, self.properties)
                return lambda item: str(self._folded(part)) in str(self._folded(_value(item, path)) or "")
        raise NotImplementedError(f"{type(node).__name__} is not supported.")

    def _folded(self, value: object) -> object:
        return value.casefold() if self.case_ignored and isinstance(value, str) else value


def _path(node: object, properties: Collection[str]) -> str:
    match node:
        case ast.Identifier(name=name):
            path = name
        case ast.Attribute(owner=ast.Identifier(name=owner), attr=name):
            path = f"{owner}/{name}"
        case _:
            raise NotImplementedError("A property must stand on the left.")
    if path not in properties:
        raise NotImplementedError(f"Could not find a property named {path!r}.")
    return str(path)


def _literal(node: object) -> object:
    match node:
        case ast.Null():
            return None
        case ast.Boolean(val=val):
            return val.lower() == "true"
        case ast.Integer(val=val):
            return int(val)
        case ast.String(val=val) | ast.GUID(val=val):
            return val
    raise NotImplementedError("A literal must stand on the right.")


def _value(item: Item, path: str) -> object:
    value: Any = item
    for step in path.split("/"):
        value = value.get(step) if isinstance(value, dict) else None
    return value
