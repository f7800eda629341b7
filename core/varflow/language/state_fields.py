"""What every state has, whatever it does. PURE."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from varflow.language import bounds
from varflow.language.fields import Expression, Identifier, Model, Pattern, Reference


class Catch(Model):
    """Where to go on an error; `error` is a glob over codes."""

    error: Pattern
    """Which error codes: * is any text, ? one character."""
    transition: Reference | None = None
    """Id of the state to go to; without one the workflow ends well."""


class StateCommon(Model):
    """What every state has."""

    id: Identifier
    """The state's name in this workflow."""
    log: Expression | None = None
    """What goes to the instance's log, with expressions."""
    metadata: Expression | None = None
    """What becomes the instance's metadata, with expressions."""
    transform: Expression | None = None
    """The new data, with expressions; it must give an object."""
    stopIf: Expression | None = None
    """An expression over the new data; when it is true the workflow ends well, here."""
    transition: Reference | None = None
    """Id of the next state; without one the workflow ends."""
    catch: Annotated[tuple[Catch, ...], Field(max_length=bounds.CATCHES)] = ()
    """What to do on errors: the first pattern that matches decides."""
