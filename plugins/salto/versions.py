"""Which version of the API an operation has: not all follow the connection's (salto_connect_api.md, 11.7)."""

from __future__ import annotations

from hector_salto.http_client.addresses import segment

FIXED_VERSIONS = {"entries": "v1.1", "time_schedules": "v1.1"}  # v1.2 answers 405 for entries


def version_of(version: str, *segments: str) -> str:
    """Return the version of the operation on a path below a site.

    Args:
        version: the connection's.
        segments: of the path, ids among them.
    """
    return next((FIXED_VERSIONS[one] for one in segments if one in FIXED_VERSIONS), version)


def site_path(version: str, site_id: str, *segments: str) -> str:
    """Return the path of an operation on a site, in the version that it has."""
    return "/".join([f"/{version_of(version, *segments)}/sites", *map(segment, (site_id, *segments))])
