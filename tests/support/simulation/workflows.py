"""Random workflows: every type of state, with every field that says when something happens.

Functions: `fn` is a container; `stub` is a subflow of which only the end is simulated; `sub` is one
that runs, a random workflow itself, so that loops and parallels are nested. Only states that let
time pass may go back to an earlier one or to themselves: the others would never wait.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from tests.support.engine import FUNCTION, make_workflow
from varflow.language.workflow import Workflow

Json = Any

CODES: Final = ("oops", "other", "direktiv.cancels.timeout.soft", "")
"""What functions and children fail with."""
NESTED: Final = 3
"""How many workflows are nested: the innermost calls no `sub`."""

_SUBFLOWS: Final = tuple(
    {"id": id, "type": "subflow", "workflow": workflow}
    for id, workflow in (("stub", "stub"), ("sub", "child"))
)
_PATTERNS: Final = ("*", "*", "oo*", "other", "direktiv.*", "direktiv.cancels.timeout.soft")


def make_random_workflow(random: Random, depth: int) -> Workflow:
    """Return a workflow for instances that have so many above them."""
    names = [f"s{place}" for place in range(random.randint(1, 7 - 2 * depth))]
    states = [_make_state(random, names, place, depth) for place in range(len(names))]
    kill = random.choice([60, 200])
    given: dict[str, Json] = {"kill": f"PT{kill}S"}
    if random.random() < 0.7:
        given["interrupt"] = f"PT{random.randint(1, 200)}S"
    return make_workflow(
        *states,
        functions=[FUNCTION, *_SUBFLOWS],
        timeouts=given,
        **_some(random, 0.3, retry=_make_default_retry),
        **_some(random, 0.1, input=_make_schema),
    )


def _make_state(random: Random, names: list[str], place: int, depth: int) -> dict[str, Json]:
    kind = random.choice(_KINDS)
    later = names[place + 1 :]
    targets = names[place // 2 :] if kind in _WAITING and random.random() < 0.2 else later
    state = {"id": names[place], "type": kind, **_SHAPES[kind](random, depth)}
    if kind == "switch":
        state |= _make_arms(random, targets)
    else:
        state["transition"] = (
            _mostly(random, (*targets[:2], *later[:2], *later[:2]), "<end>") if later else "<end>"
        )
        state |= _some(random, 0.1, stopIf=_make_condition, transform=_make_transform)
    state |= _some(random, 0.1, log=lambda _: "jq(.n)", metadata=lambda _: {"n": "jq($input)"})
    if random.random() < 0.7:
        state["catch"] = [_make_catch(random, later) for _ in range(random.randint(1, 2))]
    return {key: value for key, value in state.items() if value != "<end>"}


def _make_catch(random: Random, later: list[str]) -> dict[str, Json]:
    target = _mostly(random, tuple(later[:3]), "<end>") if later else "<end>"
    caught = {"error": random.choice(_PATTERNS), "transition": target}
    return {key: value for key, value in caught.items() if value != "<end>"}


def _make_arms(random: Random, targets: list[str]) -> dict[str, Json]:
    arms = [
        {"condition": _make_condition(random), "transition": random.choice(targets)}
        for _ in range(random.randint(1, 2))
        if targets
    ]
    default = {"defaultTransition": random.choice(targets)} if targets else {}
    return {"conditions": arms or [{"condition": "jq(true)"}], **default}


def _some(random: Random, chance: float, **made: Callable[[Random], Json]) -> dict[str, Json]:
    """Return some of the fields."""
    return {name: make(random) for name, make in made.items() if random.random() < chance}


def _mostly(random: Random, usual: tuple[Json, ...], odd: Json) -> Json:
    return odd if random.random() < 0.05 else random.choice(usual)


def _make_condition(random: Random) -> str:
    return str(_mostly(random, ("jq(true)", "jq(.n == 1)", "jq(.return // 0)"), "jq(.none)"))


def _make_transform(random: Random) -> str:
    return str(_mostly(random, ("jq(.n = 1)", "jq({n: 2})"), "jq(.none)"))


def _make_schema(random: Random) -> dict[str, Json]:
    return {"schema": {"type": "object", "required": _mostly(random, ([], ["n"]), ["none"])}}


def _make_seconds(random: Random, most: int) -> str:
    return f"PT{random.randint(1, most)}S"


def _make_default_retry(random: Random) -> dict[str, Json]:
    constant = {"attempts": random.randint(1, 2), "delay": _make_seconds(random, 9)}
    growing = {**constant, "multiplier": random.choice([0.5, 1, 3]), "maxDelay": "PT20S"}
    kinds = random.choice([("constant",), ("exponential",), ("constant", "exponential")])
    return {kind: growing if kind == "exponential" else constant for kind in kinds}


def _make_retries(random: Random) -> dict[str, Json]:
    return {
        "max_attempts": random.randint(1, 3),
        "codes": [random.choice(_PATTERNS)],
        "delay": _make_seconds(random, 5),
        "multiplier": random.choice([0, 1, 2.5]),
    }


def _make_action(random: Random, depth: int) -> dict[str, Json]:
    subflows = ("stub", "sub") if depth + 1 < NESTED else ("stub",)
    function = random.choice(("fn", "fn", random.choice(subflows)))
    return {
        "function": function,
        **_some(random, 0.4, retries=_make_retries, input=_make_input),
    }


def _make_input(random: Random) -> Json:
    return _mostly(random, ("jq(.)", {"s": "jq($steps)"}), "jq({}.none)")


# The types of states: what each has of its own


def _shape_action(random: Random, depth: int) -> dict[str, Json]:
    return {
        "action": _make_action(random, depth),
        "async": random.random() < 0.15,
        **_some(random, 0.6, timeout=lambda _: _make_seconds(random, 40)),
    }


def _shape_parallel(random: Random, depth: int) -> dict[str, Json]:
    actions = [_make_action(random, depth) for _ in range(random.randint(1, 4))]
    mode = random.choice(["and", "or"])
    return {"actions": actions, "mode": mode, "timeout": _make_seconds(random, 40)}


def _shape_foreach(random: Random, depth: int) -> dict[str, Json]:
    action = _make_action(random, depth)
    most = 3 if action["function"] == "sub" else 9
    count = random.randint(0, most) if most == 3 or random.random() < 0.95 else 120
    return {
        "array": _mostly(random, (f"jq([range({count})])",), "jq({})"),
        "action": action,
        "timeout": _make_seconds(random, 40),
        "skipFailures": random.random() < 0.4,
        **_some(random, 0.5, parallelism=lambda _: random.randint(1, 5)),
    }


def _shape_variables(random: Random, **given: Json) -> dict[str, Json]:
    keys = _mostly(random, (["x"], ["x", "y"]), ["jq(.none)"])
    return {"variables": [{"key": key, "scope": "workflow", **given} for key in keys]}


def _shape_setter(random: Random, depth: int) -> dict[str, Json]:
    return _shape_variables(random, value=random.choice([1, None, "jq(.)"]))


def _shape_validate(random: Random, depth: int) -> dict[str, Json]:
    return {**_make_schema(random), **_some(random, 0.5, subject=_make_transform)}


_SHAPES: Final[Mapping[str, Callable[[Random, int], dict[str, Json]]]] = {
    "action": _shape_action,
    "parallel": _shape_parallel,
    "foreach": _shape_foreach,
    "getter": lambda random, depth: _shape_variables(random),
    "setter": _shape_setter,
    "delay": lambda random, depth: {"duration": f"PT{random.randint(0, 20)}S"},
    "noop": lambda random, depth: _some(random, 0.5, transform=_make_transform),
    "error": lambda random, depth: {"error": "marked", "message": "m %s", "args": ["jq(.n // 0)"]},
    "switch": lambda random, depth: {},
    "validate": _shape_validate,
}
_KINDS: Final = (*_SHAPES, "action", "parallel", "foreach")
_WAITING: Final = {"action", "parallel", "getter", "setter"}
"""States that let time pass; a `foreach` may have an empty array, a `delay` be one of no time."""
