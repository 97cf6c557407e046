"""Ways to spoil one answer on its way: its JSON, its bytes, its headers. The same seed spoils in the same way."""

from __future__ import annotations

import copy
import gzip
import json
import random
from dataclasses import replace

from sandbox.web import Reply

VALUES = [
    None,
    True,
    False,
    0,
    -1,
    1,
    1.5,
    2**31,
    2**63,
    10**30,
    -(10**400),
    1e308,
    "",
    " ",
    "x",
    "0",
    "null",
    "true",
    "site_user",
    "hector:u_1",
    "=1+1",
    "it's",
    "../x",
    "%2F",
    "\u202e",
    "\x00",
    "\ud800",
    "🔑",
    "x" * 10_000,
    "9" * 400,
    [],
    {},
    [None],
    {"id": "x"},
    "2026-02-30T10:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-12:00",
    "2026-01-14T10:15:00",
    "2026-01-14",
    "24:00",
    "10:15",
    "Mars/Olympus",
]
PAGE = b"<!DOCTYPE html><html><body><h1>Under maintenance</h1></body></html>"
LITERALS = ["NaN", "Infinity", "-Infinity", "1e999", "undefined", "'x'", "01", "1_000", "9" * 5000]
PLACEHOLDER = "the-literal-goes-here"


# --- the JSON ---------------------------------------------------------------------------------------------------------


def paths_in(value, path=()):
    """The path of every value inside a JSON value, itself included."""
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from paths_in(inner, (*path, key))


def value_at(value, path):
    for key in path:
        value = value[key]
    return value


def set_value_at(value, path, new):
    if not path:
        return new
    value_at(value, path[:-1])[path[-1]] = new
    return value


def pick_path(value, dice, kind=object, least=0):
    """The path of something of this kind, with so many entries; None where there is nothing like it."""
    found = [path for path in paths_in(value) if isinstance(value_at(value, path), kind)]
    found = [path for path in found if kind is object or len(value_at(value, path)) >= least]
    return dice.choice(found) if found else None


def _set_other_value(value, dice):
    return set_value_at(value, pick_path(value, dice), copy.deepcopy(dice.choice(VALUES)))


def _drop_key(value, dice):
    path = pick_path(value, dice, dict, 1)
    if path is not None:
        entry = value_at(value, path)
        del entry[dice.choice(sorted(entry))]
    return value


def _rename_key(value, dice):
    path = pick_path(value, dice, dict, 1)
    if path is not None:
        entry = value_at(value, path)
        key = dice.choice(sorted(entry))
        entry[dice.choice([key.upper(), key.title().replace("_", ""), f" {key}", f"{key}s"])] = entry.pop(key)
    return value


def _add_key(value, dice):
    path = pick_path(value, dice, dict)
    if path is not None:
        value_at(value, path)[dice.choice(["x", "Items", "__proto__", "$ref"])] = copy.deepcopy(dice.choice(VALUES))
    return value


def _set_null(value, dice):
    path = pick_path(value, dice)
    return set_value_at(value, path, None)


def _wrap(value, dice):
    path = pick_path(value, dice)
    inner = value_at(value, path)
    return set_value_at(value, path, dice.choice([[inner], {"value": inner}, {"items": inner}, json.dumps(inner)]))


def _duplicate_item(value, dice):
    path = pick_path(value, dice, list, 1)
    if path is not None:
        items = value_at(value, path)
        items.insert(dice.randrange(len(items) + 1), copy.deepcopy(dice.choice(items)))
    return value


def _drop_item(value, dice):
    path = pick_path(value, dice, list, 1)
    if path is not None:
        items = value_at(value, path)
        del items[dice.randrange(len(items))]
    return value


def _drop_half(value, dice):
    path = pick_path(value, dice, list, 2)
    if path is not None:
        items = value_at(value, path)
        del items[len(items) // 2 :]
    return value


def _multiply_items(value, dice):
    path = pick_path(value, dice, list, 1)
    few = path is not None and len(json.dumps(value)) < 50_000
    return set_value_at(value, path, value_at(value, path) * 3000) if few else value


def _shuffle_items(value, dice):
    path = pick_path(value, dice, list, 2)
    if path is not None:
        dice.shuffle(value_at(value, path))
    return value


def _duplicate_id(value, dice):
    path = pick_path(value, dice, list, 2)
    if path is not None:
        one, other = dice.sample(value_at(value, path), 2)
        if isinstance(one, dict) and "id" in one:
            other["id"] = one["id"]
    return value


def _swap_values(value, dice):
    path = pick_path(value, dice, dict, 2)
    if path is not None:
        entry = value_at(value, path)
        one, other = dice.sample(sorted(entry), 2)
        entry[one], entry[other] = entry[other], entry[one]
    return value


def _replace_envelope(value, dice):
    items = value.get("items") if isinstance(value, dict) else None
    shapes = [[value], {"data": value}, {"value": items, "@odata.count": 1}, items, None, {}, {"items": items}]
    return dice.choice([*shapes, {"ErrorCode": "2201", "Message": "no"}])


def _corrupt_envelope(value, dice):
    if not isinstance(value, dict) or "items" not in value:
        return value
    lies = ["x", "", -1, 0, 1, 10**20, True, None, 2.0, "https://elsewhere.example/next", {"href": "x"}]
    key = dice.choice(sorted(set(value) - {"items"}))
    return value | {key: dice.choice(lies)}


JSON_CORRUPTIONS = [
    _set_other_value,
    _set_other_value,
    _set_other_value,
    _set_null,
    _set_null,
    _drop_key,
    _drop_key,
    _rename_key,
    _add_key,
    _wrap,
    _duplicate_item,
    _drop_item,
    _drop_half,
    _multiply_items,
    _shuffle_items,
    _duplicate_id,
    _swap_values,
    _replace_envelope,
    _corrupt_envelope,
    _corrupt_envelope,
]


def _corrupt_json(reply, dice):
    value = json.loads(reply.body)
    for _ in range(dice.choice([1, 1, 1, 2])):
        value = dice.choice(JSON_CORRUPTIONS)(value, dice)
    return replace(reply, body=json.dumps(value, ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass"))


def _insert_literal(reply, dice):
    value = json.loads(reply.body)
    value = set_value_at(value, pick_path(value, dice), PLACEHOLDER)
    return replace(reply, body=json.dumps(value).replace(f'"{PLACEHOLDER}"', dice.choice(LITERALS)).encode())


# --- the bytes and the headers ----------------------------------------------------------------------------------------


def _corrupt_bytes(reply, dice):
    body = reply.body
    accents = body.replace(b"Ana", "Anaïs".encode("latin-1"))
    cut = dice.randrange(max(1, len(body)))
    ways = [
        body[:cut],
        body[cut:],
        accents + b"\xe9" if accents == body else accents,
        body.decode().encode("utf-16"),
        body.decode().encode("utf-32"),
        b"\xef\xbb\xbf" + body,
        body[:cut] + b"\xff\xc0" + body[cut:],
        body[:cut] + b"\x00" + body[cut:],
        body[:cut] + bytes([dice.randrange(256)]) + body[cut + 1 :],
        b"",
        b"  \r\n",
        body + body,
        body + b"trailing",
        b"callback(" + body + b")",
        body.replace(b'"', b"'"),
        json.dumps(body.decode()).encode(),
        b"[" * 100_000 + b"]" * 100_000,
        b"null",
        b"0",
        b'""',
        b"OK",
    ]
    return replace(reply, body=dice.choice(ways))


def _replace_with_html(reply, dice):
    return Reply(dice.choice([200, 200, 203]), PAGE, dice.choice(["text/html; charset=utf-8", "application/json"]))


def _corrupt_headers(reply, dice):
    packed = gzip.compress(reply.body)
    ways = [
        replace(reply, headers={"Content-Encoding": "gzip"}),
        replace(reply, headers={"Content-Encoding": "gzip"}, body=packed),
        replace(reply, headers={"Content-Encoding": "gzip"}, body=packed[: len(packed) // 2]),
        replace(reply, headers={"Content-Encoding": "gzip"}, body=packed + packed),
        replace(reply, headers={"Content-Encoding": "deflate"}),
        replace(reply, headers={"Content-Encoding": "x-unknown"}),
        replace(reply, content_type="text/plain"),
        replace(reply, content_type="application/json; charset=utf-16"),
        replace(reply, content_type=None),
        replace(reply, headers={"X-Long": "x" * 60_000}),
        replace(reply, headers={"Set-Cookie": "a=b", "Refresh": "0", "Link": "<x>; rel=next"}),
        replace(reply, headers={"Retry-After": "nan"}),
    ]
    return dice.choice(ways)


def _corrupt_status(reply, dice):
    codes = [201, 202, 204, 206, 207, 226, 300, 302, 304, 307, 400, 402, 404, 405, 409, 410, 415, 418, 422, 451, 505]
    code = dice.choice([*codes, 599])
    body = b"" if code in (204, 304) else reply.body
    return replace(reply, status=code, body=body, headers={"Location": "/elsewhere"})


CORRUPTIONS = (
    [_corrupt_json] * 12
    + [_insert_literal] * 2
    + [_corrupt_bytes] * 4
    + [_replace_with_html, _corrupt_headers, _corrupt_headers, _corrupt_status]
)


def corrupt(reply: Reply, seed: object) -> Reply:
    """The reply, spoilt in one way (now and then two); what holds no JSON can lose only its emptiness."""
    dice = random.Random(str(seed))  # noqa: S311 - a die, no secret
    way = dice.choice(CORRUPTIONS)
    return (_corrupt_bytes if not reply.body and way in (_corrupt_json, _insert_literal) else way)(reply, dice)


# --- legal, but odd ---------------------------------------------------------------------------------------------------

ODD_TEXTS = [
    'O\'Brien "Bob"',
    "🔑👩‍🏫",
    "\u202ecba",
    "=1+1",
    "@SUM(A1)",
    "-2+3|cmd",
    "../../etc",
    "a/b\\c",
    "%2F%00",
    "' or 1 eq 1 or '",
    "$filter=(x) & y#z?q=1",
    "a+b;c,d:e",
    "line\nbreak\ttab\r",
    "null",
    "é\u0301ÅÅß",
    "İstanbul \u0131I",
    "Ω" * 100,
    "x" * 10_000,
    "{json: [1]}",
    "<b>&amp;</b>",
    "\u00a0\u2003nbsp",
    "\x01\x7f",
    "\ufeffbom",
    "Hector_",
    "nan",
    "0",
    "1e5",
]
