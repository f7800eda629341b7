"""What an answer of the API server that is no success means, as one of our errors. PURE.

404 with the object's name    ObjectNotFound; without (the kind is unknown) ClusterError
409 AlreadyExists             ObjectExists, else ObjectConflict
400, 403, 422 …               ObjectRefused
401, 410, 429, 5xx            ClusterUnavailable: trying again, perhaps from the start, helps
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from varflow.errors import (
    ClusterError,
    ClusterUnavailable,
    ObjectConflict,
    ObjectExists,
    ObjectNotFound,
    ObjectRefused,
)

_LONGEST_MESSAGE: Final = 1000
"""A refused object can come back as a message of its whole length."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is no success, or the `Status` object of a watch that broke off."""

    status: int
    reason: str = ""
    message: str = ""
    object_name: str = ""
    """Which object the API server speaks of; empty when it does not know the kind."""
    resume: str = ""
    """Where a list may go on whose start has become too old."""

    @classmethod
    def read(cls, status: int, body: bytes) -> Refusal:
        """Read an answer; whatever stands between us and the API server may send other bodies."""
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            return cls(status, message=body[:_LONGEST_MESSAGE].decode("utf-8", "replace").strip())
        return cls.of(value, status=status)

    @classmethod
    def of(cls, value: dict[str, Any], *, status: int = 0) -> Refusal:
        """Read a `Status` object."""
        return cls(
            status or value.get("code") or 500,
            reason=value.get("reason") or "",
            message=(value.get("message") or "")[:_LONGEST_MESSAGE],
            object_name=(value.get("details") or {}).get("name") or "",
            resume=(value.get("metadata") or {}).get("continue") or "",
        )

    def error(self, what: str) -> ClusterError:
        """Return the error for a request; `what` says which, such as `get Pod a/b`."""
        kind = next((kind for applies, kind in _KINDS if applies(self)), ClusterError)
        said = self.message or self.reason or "no message"
        hint = next((hint for applies, hint in _HINTS if applies(self)), "")
        return kind(f"{what}: {said} ({self.status}){hint}")


_KINDS: Final[tuple[tuple[Callable[[Refusal], bool], type[ClusterError]], ...]] = (
    (lambda it: it.status == 404 and bool(it.object_name), ObjectNotFound),
    (lambda it: it.status == 404, ClusterError),
    (lambda it: it.status == 409 and it.reason == "AlreadyExists", ObjectExists),
    (lambda it: it.status == 409, ObjectConflict),
    (lambda it: it.status in {401, 408, 410, 429} or it.status >= 500, ClusterUnavailable),
    (lambda it: it.status >= 400, ObjectRefused),
)
_HINTS: Final[tuple[tuple[Callable[[Refusal], bool], str], ...]] = (
    (
        lambda it: it.status == 404 and not it.object_name,
        "; are Varflow's custom resource definitions installed?",
    ),
    (lambda it: it.status == 401, "; the credentials are not accepted, log in again"),
    (
        lambda it: it.status == 403 and it.reason == "Forbidden",
        "; see the RBAC rules of the account that asks",
    ),
)
