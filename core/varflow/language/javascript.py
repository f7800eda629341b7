"""What the JavaScript engine says of a program, in words for people. PURE.

Its messages end with the places of the calls that were under way. The lines of the program among
them are counted from the function that is made of it (see `worker`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from varflow.language import reasons, worker

MISSING = "js( needs the extra [js]: pip install 'varflow[js]'"
"""What to say of a program where the engine is not installed."""
_MAX_COMPLAINT = 200
_PLACE = re.compile(r"<input>:(\d+):(\d+)")
_THROWN = re.compile(r"\n\s*(?:undefined)?\s*\Z")
"""What follows a thrown value that is no Error."""
_VOCABULARY = reasons.words(
    """
    aggregateerror evalerror error internalerror rangeerror referenceerror syntaxerror typeerror
    urierror set property properties function constructor iterable iterator defined initialized
    lexical variable assign constant read only bigint symbol object boolean mix types operand
    operands convert primitive maximum call stack size exceeded length count radix precision digits
    argument arguments circular reference proxy prototype getter setter private class instance new
    without super this callable extensible configurable writable deleted redefined duplicate already
    declared date time value promise result bits has more than regexp regular expression flags group
    string array buffer detached typed index undefined read-only unexpected malformed hex digit
    correctly encoded operator right-hand side
    """
)
"""What the engine says beside jq's words."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """A message, and where in the program it arose."""

    said: str
    place: str
    """Such as `column 5` or `line 2, column 5`; empty when it is not known."""
    is_behind: bool
    """The place is behind the program's end."""


def read(message: str, source: str) -> Complaint:
    """Take a message of the engine's apart."""
    said, _, stack = message.partition("\n    at ")
    lines = source.count("\n") + 1
    found = [(int(line) - worker.JS_LINES, column) for line, column in _PLACE.findall(stack)]
    inside = next(((line, column) for line, column in found if line >= 1), None)
    if inside is None:
        return Complaint(_THROWN.sub("", said), "", is_behind=False)
    line, column = inside
    place = f"line {line}, column {column}" if lines > 1 else f"column {column}"
    return Complaint(said, place, is_behind=line > lines)


def refusal(message: str, source: str) -> str:
    """Return why a program does not compile."""
    complaint = read(message, source)
    if complaint.is_behind:
        return "JavaScript cannot compile this: it ends too early"
    said = " ".join(complaint.said.removeprefix("SyntaxError: ").split())
    said = reasons.shortened(said, _MAX_COMPLAINT)
    return f"JavaScript cannot compile this: {said}{_where(complaint)}"


def failure(message: str, source: str) -> str:
    """Return why a program failed, without the values that it failed on."""
    complaint = read(message, source)
    said = reasons.redact(complaint.said, source, vocabulary=_VOCABULARY)
    return f"{said}{_where(complaint)}"


def _where(complaint: Complaint) -> str:
    return f" ({complaint.place} of the program)" if complaint.place else ""
