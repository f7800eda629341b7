"""A workflow as the engine looks things up in it: derived once, kept while it is used. PURE.

Part of it is a small static analysis: which of `$input` and `$steps.<id>` the workflow's jq
programs mention. Only those are kept in snapshots, so that a loop over many states does not drag
all their results along. A mention that cannot be told (`$steps` alone, `$steps[.name]`) keeps all
of them. The analysis reads tokens, not grammar: one inside a string or a comment counts, which
keeps too much and never too little.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from varflow.errors import InvalidMessage
from varflow.language import expressions
from varflow.language.workflow import Function, Model, State, Workflow

_INPUT: Final = re.compile(r"\$\s*input\b")
_STEPS: Final = re.compile(
    r"""\$\s*steps\b
        (?: \s*\.\s*(?P<name>[A-Za-z_]\w*)
          | \s*\.?\s*(?:\[\s*)?"(?P<quoted>[^"\\]*)"
        )?""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mentions:
    """What the programs of a workflow look at beside `.`."""

    input: bool
    steps: frozenset[str] | None
    """Ids of states; None for all of them."""

    def has_step(self, state: str) -> bool:
        """Say whether the result of `state` is to be kept."""
        return self.steps is None or state in self.steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A workflow, indexed."""

    workflow: Workflow
    first: str
    states: dict[str, State]
    functions: dict[str, Function]
    mentions: Mentions

    def state(self, id: str) -> State:
        """Return a state.

        Raises:
            InvalidMessage: there is none; the snapshot belongs to another workflow or revision.
        """
        try:
            return self.states[id]
        except KeyError:
            raise InvalidMessage(
                f"workflow {self.workflow.name!r} has no state {id!r}; "
                "the checkpoint is of another revision"
            ) from None


class _ByIdentity:
    """Lets an unhashable workflow be a cache's key; comparing whole workflows would cost more."""

    __slots__ = ("workflow",)

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow

    def __hash__(self) -> int:
        return id(self.workflow)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and self.workflow is other.workflow


def of(workflow: Workflow) -> Plan:
    """Return the plan of a workflow."""
    return _make(_ByIdentity(workflow))


@lru_cache(maxsize=256)
def _make(key: _ByIdentity) -> Plan:
    workflow = key.workflow
    return Plan(
        workflow=workflow,
        first=workflow.start.state or workflow.states[0].id,
        states={state.id: state for state in workflow.states},
        functions={function.id: function for function in workflow.functions},
        mentions=mentions([program.source for program in _programs(workflow)]),
    )


def mentions(sources: Iterable[str]) -> Mentions:
    """Return what jq programs mention."""
    text = "\n".join(sources)
    found = [match["name"] or match["quoted"] for match in _STEPS.finditer(text)]
    return Mentions(
        input=_INPUT.search(text) is not None,
        steps=None if None in found else frozenset(found),
    )


def _programs(value: Any) -> Iterator[expressions.Program]:
    """Yield the programs anywhere in a model; new fields and states need no change here."""
    if isinstance(value, expressions.KINDS):
        yield from (program for _, program in expressions.walk(value))
    elif isinstance(value, Model):
        yield from _programs(tuple(value.__dict__.values()))
    elif isinstance(value, tuple):
        for part in value:
            yield from _programs(part)
