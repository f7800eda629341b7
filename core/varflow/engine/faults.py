"""What went wrong in a state: as a value that is kept, and as the exception that carries it. PURE.

A `StateError` never leaves the engine: `advancing` turns it into a caught error or the instance's
end. It is no `VarflowError`, since it is the workflow's matter and not a failure of Varflow.
"""

from __future__ import annotations

from dataclasses import dataclass

from varflow.engine import codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error of a workflow."""

    code: str
    message: str
    is_catchable: bool = True

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code


class StateError(Exception):
    """A state cannot go on."""

    def __init__(self, code: str, message: str, *, is_catchable: bool = True) -> None:
        super().__init__(message)
        self.fault = make_fault(code, message, is_catchable=is_catchable)

    @classmethod
    def of(cls, fault: Fault) -> StateError:
        """Return the exception that carries `fault`, as catchable as that is."""
        error = cls(fault.code, fault.message)
        error.fault = fault
        return error


def make_fault(code: str, message: str, *, is_catchable: bool = True) -> Fault:
    """Return a fault that is catchable if asked for and if its code allows it."""
    return Fault(
        code=code, message=message, is_catchable=is_catchable and code not in codes.UNCATCHABLE
    )
