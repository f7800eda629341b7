"""What a function's answer means (direktiv-contract.md §1.4). PURE.

    Direktiv-ErrorCode                    FAILED with that code, whatever the status
    Direktiv-ErrorMessage without a code  CRASHED; the workflow cannot catch it
    a status other than 2xx               FAILED with `container failed`
    anything else                         COMPLETE: JSON, or base64 of the bytes, or ""

Direktiv's own sidecar ignored the body of a failed call by mistake; here its beginning is the
message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from varflow.contract import (
    CODE_CONTAINER_FAILED,
    CODE_INTERNAL,
    Outcome,
    OutcomeStatus,
    output_value,
)

EXCERPT_BYTES: Final = 1024
"""How much of a failed answer's body goes into the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back from `POST /`."""

    status: int
    body: bytes = b""
    error_code: str = ""
    error_message: str = ""


def outcome_of(answer: Answer) -> Outcome:
    """Return what became of the action, before its variables are committed."""
    if answer.error_code:
        return Outcome(
            status=OutcomeStatus.FAILED,
            code=clean(answer.error_code),
            message=clean(answer.error_message),
        )
    if answer.error_message:
        return Outcome(
            status=OutcomeStatus.CRASHED,
            code=CODE_INTERNAL,
            message=clean(answer.error_message),
        )
    if not is_success(answer.status):
        return Outcome(
            status=OutcomeStatus.FAILED,
            code=CODE_CONTAINER_FAILED,
            message=f"the function answered with status {answer.status}{_excerpt(answer.body)}",
        )
    return Outcome(status=OutcomeStatus.COMPLETE, output=output_value(answer.body))


def is_success(status: int) -> bool:
    """Tell a status that says yes; redirects do not."""
    return 200 <= status < 300


def _excerpt(body: bytes) -> str:
    text = clean(body[:EXCERPT_BYTES].decode("utf-8", "replace")).strip()
    if not text:
        return ""
    return f": {text}{'...' if len(body) > EXCERPT_BYTES else ''}"


def clean(text: str) -> str:
    """Make text from elsewhere printable; headers arrive with undecodable bytes escaped."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)
