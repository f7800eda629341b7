"""Read variables; they replace `.var` as a whole (direktiv-contract.md §2.6). PURE."""

from __future__ import annotations

from varflow.engine import effects, fields
from varflow.engine.effects import MOVES
from varflow.engine.faults import StateError
from varflow.engine.messages import ReadVariables, VariableRead
from varflow.engine.reports import Report
from varflow.engine.snapshots import Effect, EffectKind, EffectPhase
from varflow.engine.turns import Next, Turn, Verdict, Work
from varflow.language.expressions import Listing
from varflow.language.workflow import GetterState


def enter(turn: Turn, state: GetterState) -> Work[Verdict]:
    """Ask for the variables."""
    items = yield from _items(turn, state)
    effect = effects.begin(turn, EffectKind.READ, value=_names(state, items))
    turn.emit(ReadVariables(request=effect.id, items=items))
    return None


def on_report(turn: Turn, state: GetterState, effect: Effect, report: Report) -> Work[Verdict]:
    """Go on with what was read."""
    yield from ()
    names = effect.value
    effect = effects.move(turn, effect, report, moves=MOVES)
    if effect.phase is EffectPhase.FAILED:
        raise StateError.of(effect.reason)
    if effect.phase is not EffectPhase.SUCCEEDED:
        return None
    variables = dict(zip(names, effect.value, strict=True))
    return Next(
        data={**turn.snapshot.data, "var": variables},
        transform=state.transform,
        transition=state.transition,
    )


def resume(turn: Turn, state: GetterState) -> Work[None]:
    """Ask again."""
    items = yield from _items(turn, state)
    for effect in effects.open_effects(turn.snapshot):
        turn.emit(ReadVariables(request=effect.id, items=items))


def _items(turn: Turn, state: GetterState) -> Work[tuple[VariableRead, ...]]:
    rows = yield from turn.evaluate(
        Listing(tuple(Listing((variable.key, variable.scope)) for variable in state.variables))
    )
    return tuple(
        VariableRead(
            key=fields.parse_key(f"variables[{place}].key", key),
            scope=fields.parse_scope(f"variables[{place}].scope", scope),
        )
        for place, (key, scope) in enumerate(rows)
    )


def _names(state: GetterState, items: tuple[VariableRead, ...]) -> list[str]:
    """Return what the variables are called in `.var`."""
    return [variable.as_ or item.key for variable, item in zip(state.variables, items, strict=True)]
