"""Mark the instance as failed, and go on if there is a transition. PURE.

The mark decides the status at the end, so that states after it can clean up. A second one is the
catchable error `direktiv.workflow.multipleErrors`.

`args` go into the message as printf has it, but safely: a verb without a value, a value that is not
of the verb's type and a stray % stay readable and never fail (upstream they corrupt the message).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import orjson

from varflow.engine import codes
from varflow.engine.faults import StateError, make_fault
from varflow.engine.messages import Json, LogLevel
from varflow.engine.turns import Next, Turn, Verdict, Work
from varflow.language.expressions import Listing
from varflow.language.workflow import ErrorState

_VERB: Final = re.compile(r"%(?P<layout>[-+0]*\d{0,3}(?:\.\d{1,3})?)(?P<verb>[%svdfgeqtxX])")
_INTEGER_VERBS: Final = "dxX"
_NUMBER_VERBS: Final = "fge"


def enter(turn: Turn, state: ErrorState) -> Work[Verdict]:
    """Set the mark."""
    message, *args = yield from turn.evaluate(Listing((state.message, *state.args)))
    fault = make_fault(state.error, format_message(_text(message), args))
    if turn.snapshot.mark is not None:
        raise StateError(
            codes.MULTIPLE_ERRORS,
            f"state {state.id!r} raises {fault}; the instance has already failed "
            f"with {turn.snapshot.mark}",
        )
    turn.update(mark=fault)
    turn.log(LogLevel.ERROR, str(fault))
    return Next(data=turn.snapshot.data, transform=state.transform, transition=state.transition)


def format_message(template: str, args: Sequence[Json]) -> str:
    """Put `args` into the verbs of `template`, in order."""
    values = iter(args)
    return _VERB.sub(lambda verb: _filled(verb, values), template)


def _filled(verb: re.Match[str], values: Iterator[Json]) -> str:
    if verb["verb"] == "%":
        return "%"
    try:
        value = next(values)
    except StopIteration:
        return verb[0]
    return str(f"%{verb['layout']}{_python_verb(verb['verb'], value)}" % _argument(verb, value))


def _python_verb(verb: str, value: Json) -> str:
    """Return the verb if the value is of its type; anything can be put in as text."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and verb in _NUMBER_VERBS:
        return verb
    if is_number and verb in _INTEGER_VERBS and value == int(value):
        return verb
    return "s"


def _argument(verb: re.Match[str], value: Json) -> Json:
    if _python_verb(verb["verb"], value) == "s":
        return orjson.dumps(value).decode() if verb["verb"] == "q" else _text(value)
    return int(value) if verb["verb"] in _INTEGER_VERBS else float(value)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
