"""Brings one declared value into the store, and says how that went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from varflow.errors import EncryptionKeyMissing, StoreError, StoreUnavailable, TooLarge
from varflow.variables.handles import VariableInfo
from varflow.variables.variables import CLEAR, Variables
from varflow_operator import conditions
from varflow_operator.conditions import Condition
from varflow_operator.names import Reason
from varflow_operator.variables import deciding
from varflow_operator.variables.deciding import Choice
from varflow_operator.variables.situations import Wanted

_KEPT: Final = "there was a value already, which `overwrite: Never` leaves as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How it went."""

    conditions: tuple[Condition, ...]
    facts: Mapping[str, Any]
    """What the status says about the value."""
    begins_anew: bool = False
    """It is another variable than the status was about so far."""
    error: StoreError | None = None
    """Why it has to be tried again."""


async def store(
    wanted: Wanted, variables: Variables, *, known: Mapping[str, Any], now: float
) -> Verdict:
    """Write a value if it has to be written.

    Args:
        wanted: the value and its place.
        variables: the store.
        known: what the status says about the value so far.
        now: seconds since the epoch.

    Raises:
        PreconditionFailed: somebody else wrote it meanwhile; look again.
    """
    try:
        stored = await variables.get(wanted.address)
        choice = deciding.choose(
            wanted.declaration, wanted.content, stored=stored, past=wanted.past, now=now
        )
        if choice is Choice.WRITE:
            written = await _write(wanted, variables, stored)
            known = deciding.facts(written, wanted.declaration)
        elif stored is not None and stored.rev == wanted.past.revision:
            known = deciding.facts(stored, wanted.declaration)
    except TooLarge as error:
        found = conditions.stalled(Reason.TOO_LARGE, error.message)
        return Verdict(conditions=found, facts=known)
    except StoreError as error:
        found = conditions.working(_reason(error), error.message)
        return Verdict(conditions=found, facts=known, error=error)
    if choice is Choice.KEEP:
        return Verdict(conditions=conditions.ready(Reason.KEPT, _KEPT), facts={})
    return Verdict(conditions=conditions.ready(Reason.STORED), facts=known)


def _reason(error: StoreError) -> Reason:
    if isinstance(error, EncryptionKeyMissing):
        return Reason.ENCRYPTION_KEY_MISSING
    is_away = isinstance(error, StoreUnavailable)
    return Reason.STORE_UNAVAILABLE if is_away else Reason.STORE_FAILED


async def _write(wanted: Wanted, variables: Variables, stored: VariableInfo | None) -> VariableInfo:
    """Write the value over the one that the decision was about."""
    ttl = wanted.declaration.ttl
    return await variables.set(
        wanted.address,
        wanted.content.data,
        content_type=wanted.content.content_type,
        ttl=CLEAR if ttl is None else float(ttl),
        if_match=None if stored is None else stored.rev,
        if_none_match=stored is None,
    )
