"""How a command ends when it fails: an exit code, and what is printed on standard error.

A class for each exit code (docs/cli.md lists them): scripts tell by it whether to mend something,
to wait, or to try again. `translate` is the one place where other exceptions become one of them, so
no command handles errors to print them, and none prints a traceback.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

import click

from varflow_cli.console import streams

if TYPE_CHECKING:
    from varflow.errors import VarflowError

FAILED = 1
MISTAKEN = 2
NOT_FOUND = 3
TIMED_OUT = 4
CONFLICTING = 5
UNREACHABLE = 6


class Failure(click.ClickException):
    """The command could not do what it was asked to."""

    exit_code = FAILED

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(streams.printable(message))
        self.code = code
        """Stable, for programs; as in `varflow.errors`."""

    def show(self, file: IO[Any] | None = None) -> None:
        suffix = f" [{self.code}]" if self.code else ""
        streams.tell(f"varflow: {self.message}{suffix}", file=file)


class Mistake(Failure):
    """What the caller gave cannot be used; nothing was started."""

    exit_code = MISTAKEN


class InvalidFiles(Mistake):
    """Files that are no valid workflows: lines `file:line: field: what is wrong`."""

    def show(self, file: IO[Any] | None = None) -> None:
        streams.tell(self.message, file=file)


class NotFound(Failure):
    """What the command is about is not there."""

    exit_code = NOT_FOUND


class TimedOut(Failure):
    """What the caller waited for did not happen in time."""

    exit_code = TIMED_OUT


class Conflicting(Failure):
    """It is there already, or somebody else has changed it meanwhile."""

    exit_code = CONFLICTING


class Unreachable(Failure):
    """The cluster cannot be reached, or answers nobody now; trying again may help."""

    exit_code = UNREACHABLE


def translate(error: Exception, *, mask: Callable[[str], str] = str) -> Failure:
    """Return what to show for an exception that left a command; `mask` hides secrets."""
    failure = _failure_of(error)
    return type(failure)(mask(failure.message), code=failure.code)


def _failure_of(error: Exception) -> Failure:
    from varflow import errors  # not before something failed: see `__main__`

    if isinstance(error, Failure):
        return error
    if isinstance(error, errors.VarflowError):
        return _kind_of(error)(error.message, code=error.code)
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return Failure(f"{place}{error.strerror}", code="system")
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Failure(f"internal error: {text} (run again with --debug to see where)", code="internal")


def _kind_of(error: VarflowError) -> type[Failure]:
    from varflow import errors

    kinds: dict[type[VarflowError], type[Failure]] = {
        errors.InvalidWorkflowFile: InvalidFiles,
        errors.InvalidInput: Mistake,
        errors.StoreMissing: Mistake,
        errors.ObjectNotFound: NotFound,
        errors.ObjectConflict: Conflicting,
        errors.ObjectExists: Conflicting,
        errors.PreconditionFailed: Conflicting,
        errors.VariableExists: Conflicting,
        errors.VariableNotFound: NotFound,
        errors.ClusterUnavailable: Unreachable,
    }
    return next((kinds[kind] for kind in type(error).__mro__ if kind in kinds), Failure)
