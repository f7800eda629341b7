"""That states and functions which others name exist. PURE.

The API server estimates beforehand what a rule may cost, and stops one that costs a million. So the
ids are gathered once, as the only element of a list that is walked through; and of a workflow with
very many catches or conditions the targets are left to the operator.
"""

from __future__ import annotations

from typing import Final

from varflow_operator.schemas.rules.words import Rule, given

MAX_COMPARISONS: Final = 400_000
"""Comparisons with which a rule stays within the API server's limit for one evaluation."""
_NO_STATE: Final = "leads to a state that does not exist"


def _with_ids(listed: str, condition: str) -> str:
    """Say that the condition holds, in which `ids` is a list that is made once."""
    return f"[{listed}].all(ids, {condition})"


def _target_rule(
    listed: str, fails: str, *, what: str, verb: str = _NO_STATE, unless: str = ""
) -> Rule:
    """Return the rule that no state `fails`.

    Which one does is for the loader to say: an expression for the message costs too much.
    """
    return Rule(
        kind="Workflow",
        at="spec",
        cel=unless + _with_ids(listed, f"!self.states.exists(s, {fails})"),
        message=f"{what} of a state {verb}; `varflow lint` says which",
        field=".states",
    )


def _are_many(inner: str) -> str:
    """Say that the transitions in the states' lists are too many to be looked up here."""
    counts = f"self.states.map(s, has(s.{inner}) ? size(s.{inner}) : 0)"
    return f"[{counts}].all(n, n.sum() * size(self.states) > {MAX_COMPARISONS})"


def _strays(field: str) -> str:
    return f"{given(field)} && !({field} in ids)"


def _inner_strays(inner: str) -> str:
    return f"has(s.{inner}) && s.{inner}.exists(t, {_strays('t.transition')})"


_STATE_IDS: Final = "self.states.map(s, s.id)"
_START_STRAYS: Final = _strays("self.start.state")
_FUNCTION_IDS: Final = "(has(self.functions) ? self.functions.map(f, f.id) : [])"
TARGETS: Final = (
    Rule(
        kind="Workflow",
        at="spec",
        cel=f"!has(self.start) || {_with_ids(_STATE_IDS, f'!({_START_STRAYS})')}",
        message="there is no state of this id",
        field=".start.state",
    ),
    _target_rule(_STATE_IDS, _strays("s.transition"), what="the transition"),
    _target_rule(_STATE_IDS, _strays("s.defaultTransition"), what="the defaultTransition"),
    _target_rule(
        _STATE_IDS, _inner_strays("catch"), what="a catch", unless=f"{_are_many('catch')} || "
    ),
    _target_rule(
        _STATE_IDS,
        _inner_strays("conditions"),
        what="a condition",
        unless=f"{_are_many('conditions')} || ",
    ),
    _target_rule(
        _STATE_IDS,
        _inner_strays("events"),
        what="an event",
        unless=f"{_are_many('events')} || ",
    ),
    _target_rule(
        _FUNCTION_IDS,
        "has(s.action) && !(s.action.__function__ in ids)",
        what="the action",
        verb="calls a function that does not exist",
    ),
)
