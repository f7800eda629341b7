"""How long credentials are lent for, and when the next ones are due. PURE.

An hour is the longest that AWS grants to who has assumed a role already, as an operator with a
service account has. Renewed at half of it, there is half an hour for everything that may be away:
the token service, the API server, the operator itself. A kubelet brings a changed Secret into a pod
within two minutes.
"""

from __future__ import annotations

from typing import Final

from varflow.variables.stores.credentials import LentCredentials

LIFE_SECONDS: Final = 3600
RENEWED_BEFORE_SECONDS: Final = LIFE_SECONDS / 2
"""So long before their end the next ones are due."""
_ARRIVAL_SECONDS: Final = 120.0
"""With less than that left, a pod that starts now may find them ended."""


def due_at(lent: LentCredentials) -> float:
    """Return when they should be replaced."""
    return lent.expires_at - RENEWED_BEFORE_SECONDS


def is_of_use(lent: LentCredentials, *, now: float) -> bool:
    """Tell whether sidecars can still work with them."""
    return lent.expires_at - now > _ARRIVAL_SECONDS
