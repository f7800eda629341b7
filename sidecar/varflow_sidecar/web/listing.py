"""What a listing says of a variable, by the names that every program reads. PURE.

The command line's `--json` says the same as `GET /vars`.
"""

from __future__ import annotations

from typing import Any

from varflow.variables.variables import VariableInfo
from varflow_sidecar.web import times


def fields_of(info: VariableInfo) -> dict[str, Any]:
    """Return an entry for JSON; never a value."""
    return {
        "key": info.key,
        "size": info.size,
        "contentType": info.content_type,
        "revision": info.rev,
        "createdAt": times.shown(info.created_at),
        "updatedAt": times.shown(info.updated_at),
        "expiresAt": times.find_shown(info.expires_at),
    }
