"""What an instance has still to do, and what of it has to wait for a checkpoint. PURE.

    engine ──commands──► joined ──► those that touch the world, once the status has the snapshot

The simulator in the tests goes by the same rules, so that what it finds holds for the operator.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from varflow.engine.messages import (
    Command,
    DispatchAction,
    Finish,
    GiveUp,
    SetTimer,
    StartSubflow,
    StopSubflow,
    StoreData,
    WriteVariables,
)

_KEPT_FIRST: Final = (
    DispatchAction,
    GiveUp,
    StartSubflow,
    StopSubflow,
    WriteVariables,
    StoreData,
    SetTimer,
    Finish,
)
"""Commands that nobody can take back; and a timer's time has to outlive this process. Answers that
are put aside are forgotten by the snapshot, and must then be those that it had."""


def needs_checkpoint(commands: Iterable[Command]) -> bool:
    """Tell whether the snapshot that led to the commands has to be kept before they are done."""
    return any(isinstance(command, _KEPT_FIRST) for command in commands)


def is_end(to_do: Iterable[Command]) -> bool:
    """Tell whether the instance finishes with what is to be done."""
    return any(isinstance(command, Finish) for command in to_do)


def joined(to_do: Sequence[Command], commands: Sequence[Command]) -> list[Command]:
    """Return what is to be done when the engine has said more.

    No checkpoint comes before the end, so nothing is put aside beside it: a control plane that
    began again from the status there is would put other answers aside.
    """
    together = [*to_do, *commands]
    if is_end(commands):
        return [command for command in together if not isinstance(command, StoreData)]
    return together
