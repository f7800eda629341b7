"""Times as HTTP shows them: ISO 8601, UTC, milliseconds. PURE."""

from __future__ import annotations

from datetime import UTC, datetime


def shown(seconds: float) -> str:
    """Return seconds since the epoch as text."""
    at = datetime.fromtimestamp(seconds, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def find_shown(seconds: float | None) -> str | None:
    """Return the same, or None for never."""
    return None if seconds is None else shown(seconds)
