"""Every error that a function meets through this package, as one tree.

    SidecarError                 a call to the sidecar did not do what was asked
    ├── InvalidInput             the key, scope or option cannot be accepted          400
    ├── UnknownAction            the sidecar runs no action with this id              404
    ├── NotFound                 no such variable; only with `required=True`          404
    ├── VariableExists           `create` met a variable that is there                409
    ├── PreconditionFailed       the variable changed since its revision was read     412
    ├── TooLarge                 the value is over the sidecar's limit                413
    ├── InvalidConversion        the value is not of the type asked for               422
    ├── StoreUnavailable         the sidecar cannot reach the store; try again        503
    └── SidecarUnreachable       nobody answers, or the answer broke off

    FunctionError                raised by a handler: the action fails with this code

`code` is stable and equal to the sidecar's (docs/errors.md); `status` is the HTTP status, 0 when
there was no answer. A class exists because a function handles it differently; any other answer is
a plain `SidecarError`. No error is ever turned into `None`: a variable that cannot be read is not
a variable that is missing.
"""

from __future__ import annotations


class SidecarError(Exception):
    """A call to the sidecar did not do what was asked."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "internal",
        status: int = 0,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        """What went wrong, for people."""
        self.code = code
        """What went wrong, for programs."""
        self.status = status
        """The answer's HTTP status; 0 when there was none."""
        self.retry_after = retry_after
        """Seconds after which trying again makes sense, when the sidecar said so."""


class InvalidInput(SidecarError):
    """The key, the scope or an option cannot be accepted."""


class UnknownAction(SidecarError):
    """The sidecar runs no action with this id; it may be over."""


class NotFound(SidecarError):
    """The variable does not exist or has expired, and the caller required it."""


class VariableExists(SidecarError):
    """A create met a variable that is there and has not expired."""


class PreconditionFailed(SidecarError):
    """The variable is not, or no longer, at the revision that the write was made for."""


class TooLarge(SidecarError):
    """The value is over the sidecar's limit."""


class InvalidConversion(SidecarError):
    """The value is not of the type that was asked for."""


class StoreUnavailable(SidecarError):
    """The sidecar cannot reach the store; `retry_after` says when to try again."""


class SidecarUnreachable(SidecarError):
    """Nobody answers at the sidecar's address, or the answer broke off."""


class FunctionError(Exception):
    """Raise it in a handler to fail the action with a code that the workflow can catch.

    `code` is what `catch` and `retries` of the workflow match; `message` is for people.
    """

    def __init__(self, code: str, message: str = "") -> None:
        if not code.strip():
            raise ValueError("FunctionError needs a code: it is what a workflow catches")
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code


_BY_CODE: dict[str, type[SidecarError]] = {
    "invalid_input": InvalidInput,
    "invalid_key": InvalidInput,
    "invalid_scope": InvalidInput,
    "unknown_action": UnknownAction,
    "not_found": NotFound,
    "already_exists": VariableExists,
    "precondition_failed": PreconditionFailed,
    "too_large": TooLarge,
    "invalid_conversion": InvalidConversion,
    "store_unavailable": StoreUnavailable,
}


def make_error(
    message: str, *, code: str, status: int, retry_after: float | None = None
) -> SidecarError:
    """Return the error of the class that stands for `code`."""
    kind = _BY_CODE.get(code, SidecarError)
    return kind(message, code=code, status=status, retry_after=retry_after)
