"""How expressions get the secrets that their action names. PURE.

The values are added to an expression's input when it is evaluated, and are nowhere else: the
engine's snapshot holds names only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from varflow.engine import codes
from varflow.engine.messages import Json
from varflow.errors import ExpressionError


class SecretNotFound(ExpressionError):
    """A state names a secret that is not there; not catchable (direktiv-contract.md §4)."""

    code: ClassVar[str] = codes.SECRET_NOT_FOUND


def add_to(data: Json, secrets: Mapping[str, str]) -> Json:
    """Return `data` with `.secrets`; as it is when there are none."""
    return {**data, "secrets": dict(secrets)} if secrets and isinstance(data, dict) else data
