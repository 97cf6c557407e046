"""The API's own published description, held against every operation and field that the clients use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hector_salto.access.texts import few
from hector_salto.doctor.finding import judged, unknown
from salto.used_operations import USED_OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hector_salto.doctor.finding import Finding
    from hector_salto.doctor.subject import Subject
    from salto.used_operations import UsedOperation

Json = dict[str, Any]
LONGEST = 12  # differences that a row names
_ID = re.compile(r"\{[^}]*\}")


def look(subject: Subject) -> Iterator[Finding]:
    document = subject.probe.published_document()
    if document is None:
        yield unknown("published-document", "the API publishes none at /swagger/index.html")
        return
    found = differences(document, subject.salto.version)
    fields = sum(len(one.sends) + len(_fields(one)) for one in USED_OPERATIONS)
    seen = f"{len(USED_OPERATIONS)} operations and {fields} fields looked up; {len(found)} differ"
    step = f"report these to this product: {few(found, LONGEST)}"
    yield judged("published-document", not found, seen, step)


def differences(document: Json, version: str) -> list[str]:
    """Return what the description lacks of what is used, or types otherwise; operations in all versions are looked at."""
    paths = {_ID.sub("{}", path): operations for path, operations in document["paths"].items()}
    found = []
    for used in USED_OPERATIONS:
        where = f"{used.method} {used.path or '/'}"
        described = _described(paths, used, version)
        if described is None:
            found.append(f"{where} is missing")
            continue
        found += [f"{where}: {name}" for name in _sent(document, described, used) + _read(document, described, used)]
    return found


def _described(paths: dict[str, Json], used: UsedOperation, version: str) -> Json | None:
    """The operation as described: a document may leave the version out of its paths."""
    address = used.address(version)
    versionless = "/" + address.split("/", 2)[2]
    for path in (address, versionless, f"/v{{}}{versionless}", f"/{{}}{versionless}"):
        if (found := paths.get(path, {}).get(used.method.lower())) is not None:
            return dict(found)
    return None


def _sent(document: Json, described: Json, used: UsedOperation) -> list[str]:
    content = described.get("requestBody", {}).get("content", {})
    schema = _resolved(document, next((one.get("schema") for name, one in content.items() if "json" in name), None))
    if not schema.get("properties"):
        return []  # not described: nothing to compare
    return [f"the body has no {name}" for name in used.sends if name not in schema["properties"]]


def _read(document: Json, described: Json, used: UsedOperation) -> list[str]:
    if used.reads is None:
        return []
    content = described.get("responses", {}).get("200", {}).get("content", {})
    schema = _resolved(document, next((one.get("schema") for name, one in content.items() if "json" in name), None))
    items = schema.get("items") or schema.get("properties", {}).get("items", {}).get("items")
    schema = _resolved(document, items) if items else schema
    return _compared(document, used.reads.model_json_schema(), schema) if schema.get("properties") else []


def _fields(used: UsedOperation) -> list[str]:
    return [] if used.reads is None else list(used.reads.model_fields)


def _compared(document: Json, model: Json, schema: Json, within: str = "") -> list[str]:
    found, described = [], schema["properties"]
    root = model.get("$defs", {})
    for name, wanted in model["properties"].items():
        if name not in described:
            found += [f"no {within}{name}"] if name in model.get("required", ()) else []
            continue
        there = _resolved(document, described[name])
        kinds = _kinds(wanted, root)
        if kinds and there.get("type") and not _fits(str(there["type"]), kinds):
            found.append(f"{within}{name} is {there['type']}, not {' or '.join(sorted(kinds))}")
        inner = _inner(wanted, root)
        if inner and there.get("properties"):
            found += _compared(document, inner | {"$defs": root}, there, f"{within}{name}.")
    return found


def _fits(described: str, kinds: set[str]) -> bool:
    return described in kinds or (described == "integer" and "number" in kinds)


def _kinds(wanted: Json, root: Json) -> set[str]:
    choices = wanted.get("anyOf", [wanted])
    named = {_named(one, root).get("type") for one in choices}
    return {str(kind) for kind in named - {None, "null"}}


def _inner(wanted: Json, root: Json) -> Json | None:
    for one in wanted.get("anyOf", [wanted]):
        model = _named(one, root)
        if model.get("properties"):
            return model
    return None


def _named(one: Json, root: Json) -> Json:
    return dict(root[one["$ref"].rsplit("/", 1)[1]]) if "$ref" in one else one


def _resolved(document: Json, schema: Json | None) -> Json:
    """A schema without references, with the properties of all that it is made of."""
    schema = dict(schema or {})
    seen: set[str] = set()
    while "$ref" in schema and schema["$ref"] not in seen:
        seen.add(schema["$ref"])
        at: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            at = at.get(step, {}) if isinstance(at, dict) else {}
        schema = dict(at)
    for part in schema.get("allOf", ()):
        whole = _resolved(document, part)
        schema["properties"] = {**whole.get("properties", {}), **schema.get("properties", {})}
        schema.setdefault("type", whole.get("type"))
    return schema
