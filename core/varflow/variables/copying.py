"""Copying a variable to another key or scope, or an older revision of it back to where it was.

The bytes go through this process, in pieces: sharing a body would be quicker, but bodies end with
the variable that they were written for (`endings`).
"""

from __future__ import annotations

from varflow.errors import VariableNotFound
from varflow.variables.expiries import Ttl
from varflow.variables.scopes import Address
from varflow.variables.variables import KEEP, VariableInfo, Variables
from varflow.variables.writes.preconditions import Conditions


async def copy(
    variables: Variables,
    source: Address,
    target: Address,
    *,
    rev: str | None = None,
    ttl: Ttl = KEEP,
    conditions: Conditions | None = None,
) -> VariableInfo:
    """Write the value and content type of one variable to another, as `Variables.set` does.

    Args:
        variables: Where both are.
        source: What is copied.
        target: What is written.
        rev: A revision of the source; the present one unless given.
        ttl: The target's; the source's expiry stays behind.
        conditions: On the target.

    Raises:
        VariableNotFound: there is no source; nothing changed.
        VarflowError: as `Variables.get_revision` and `Variables.set`.
    """
    found = await (variables.get(source) if rev is None else variables.get_revision(source, rev))
    if found is None:
        shown = f"variable {source}" + (f" revision {rev[:64]}" if rev is not None else "")
        raise VariableNotFound(f"{shown} does not exist; nothing was copied")
    asked = conditions or Conditions()
    return await variables.set(
        target,
        found.read() if found.inline is None else found.inline,
        content_type=found.content_type,
        ttl=ttl,
        if_match=asked.if_match,
        if_none_match=asked.if_none_match,
        create=asked.create,
    )
