"""What a simulation looks for."""

from __future__ import annotations


class Violation(AssertionError):
    """What must never happen has happened."""
