"""Write variables, all in one commit; the data stays as it is (direktiv-contract.md §2.5). PURE.

A value that is null, written so or yielded by an expression, deletes its variable; no other value
does. Where a variable is named twice the last one counts.
"""

from __future__ import annotations

from varflow.engine import codes, effects, fields
from varflow.engine.effects import MOVES
from varflow.engine.faults import StateError
from varflow.engine.messages import Json, VariableWrite, WriteVariables
from varflow.engine.reports import Report
from varflow.engine.snapshots import Effect, EffectKind, EffectPhase
from varflow.engine.turns import Next, Turn, Verdict, Work
from varflow.errors import InvalidInput
from varflow.language.expressions import Listing
from varflow.language.workflow import SetterState, SetterVariable
from varflow.variables import conversions


def enter(turn: Turn, state: SetterState) -> Work[Verdict]:
    """Send the variables to the store."""
    items = yield from _items(turn, state)
    _emit(turn, effects.begin(turn, EffectKind.WRITE), items)
    return None


def on_report(turn: Turn, state: SetterState, effect: Effect, report: Report) -> Work[Verdict]:
    """Go on when they are committed."""
    yield from ()
    effect = effects.move(turn, effect, report, moves=MOVES)
    if effect.phase is EffectPhase.FAILED:
        raise StateError.of(effect.reason)
    if effect.phase is not EffectPhase.SUCCEEDED:
        return None
    return Next(data=turn.snapshot.data, transform=state.transform, transition=state.transition)


def resume(turn: Turn, state: SetterState) -> Work[None]:
    """Send them again; the decision object sees to it that they are written once."""
    running = [it for it in turn.snapshot.effects if it.phase is EffectPhase.RUNNING]
    if running:
        items = yield from _items(turn, state)
        _emit(turn, running[0], items)


def _emit(turn: Turn, effect: Effect, items: tuple[VariableWrite, ...]) -> None:
    turn.emit(
        WriteVariables(request=effect.id, decision=effects.decision(turn, effect), items=items)
    )


def _items(turn: Turn, state: SetterState) -> Work[tuple[VariableWrite, ...]]:
    written: dict[tuple[str, str], VariableWrite] = {}
    for place, variable in enumerate(state.variables):
        item = yield from _item(turn, variable, where=f"variables[{place}]")
        written[item.scope, item.key] = item
    return tuple(written.values())


def _item(turn: Turn, variable: SetterVariable, *, where: str) -> Work[VariableWrite]:
    key, scope, mime = yield from turn.evaluate(
        Listing((variable.key, variable.scope, variable.mimeType))
    )
    value = yield from turn.evaluate(variable.value, allow_null=True)
    content_type = fields.parse_text(f"{where}.mimeType", mime)
    return VariableWrite(
        key=fields.parse_key(f"{where}.key", key),
        scope=fields.parse_scope(f"{where}.scope", scope),
        data=_encode(f"{where}.value", value, content_type),
        content_type=content_type,
    )


def _encode(where: str, value: Json, content_type: str) -> bytes | None:
    try:
        return conversions.encode_setter(value, content_type)
    except InvalidInput as error:
        raise StateError(codes.INVALID_VALUE, f"{where}: {error}") from error
