"""Rules between the parts of a workflow. PURE.

They read the file's value, not the models made of it: a state that is wrong in one field still has
an id and transitions, and everything that is wrong is reported at once. So they skip what has not
the form that they need; the models say that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from varflow.language import wording
from varflow.language.codes import Code
from varflow.language.expressions import Fault, Path, mentions_programs

Spec = dict[str, Any]
_MOST_FAULTS = 100
"""Faults reported by one check."""
_OF_EVENTS = {
    name: f"is not for the state as a whole; each of its `events` has a {name} of its own"
    for name in ("transition", "transform")
}
_WAYS_ON = {
    "switch": {
        "transition": "a switch has no transition beside its conditions; use defaultTransition",
        "transform": "a switch has no transform beside its conditions; use defaultTransform",
    },
    "eventsXor": _OF_EVENTS,
    "eventXor": _OF_EVENTS,
}
"""What to say of fields of all states in those that go on in several ways."""


def find_faults(spec: Spec) -> list[Fault]:
    """Return what breaks a rule: all of it, as far as a person could mend at once."""
    return [fault for check in CHECKS for fault in islice(check(spec), _MOST_FAULTS)]


def _names_are_outside(spec: Spec) -> Iterator[Fault]:
    """Yield what the model has, but a file says elsewhere: it would be overwritten unseen."""
    for name in ("name", "namespace", "dialect"):
        if name in spec:
            yield Fault((name,), "unknown field", code=Code.UNKNOWN_FIELD)


def _state_ids_are_unique(spec: Spec) -> Iterator[Fault]:
    return _unique(_texts(_entries(spec, "states"), "id"), "the id")


def _function_ids_are_unique(spec: Spec) -> Iterator[Fault]:
    return _unique(_texts(_entries(spec, "functions"), "id"), "the id")


def _transitions_exist(spec: Spec) -> Iterator[Fault]:
    ids = {name for _, name in _texts(_entries(spec, "states"), "id")}
    for path, target in _transitions(spec):
        if target not in ids:
            message = f"there is no state {wording.shown(target)}"
            yield Fault(path, message, wording.nearest(target, ids), Code.UNKNOWN_STATE)


def _functions_exist(spec: Spec) -> Iterator[Fault]:
    ids = {name for _, name in _texts(_entries(spec, "functions"), "id")}
    for path, target in _texts(_actions(spec), "function"):
        if target not in ids:
            advice = "" if ids else "; `functions` defines none"
            message = f"there is no function {wording.shown(target)}{advice}"
            yield Fault(path, message, wording.nearest(target, ids), Code.UNKNOWN_FUNCTION)


def _states_with_several_ways_have_no_other(spec: Spec) -> Iterator[Fault]:
    for path, state in _entries(spec, "states"):
        kind = state.get("type")
        said = _WAYS_ON.get(kind, {}) if isinstance(kind, str) else {}
        for name in said.keys() & state.keys():
            yield Fault((*path, name), said[name], code=Code.CONFLICTING_FIELDS)


def _getters_name_each_value_once(spec: Spec) -> Iterator[Fault]:
    for path, state in _entries(spec, "states"):
        if state.get("type") == "getter":
            yield from _unique(_names(_entries(state, "variables", path)), "the name")


def _files_have_targets_of_their_own(spec: Spec) -> Iterator[Fault]:
    functions = {}
    for path, function in _entries(spec, "functions"):
        own = list(_names(_entries(function, "files", path)))
        functions[str(function.get("id"))] = own
        yield from _unique(own, "the file name")
    for path, action in _actions(spec):
        own = list(_names(_entries(action, "files", path)))
        others = functions.get(str(action.get("function")), [])
        found = _unique([*others, *own], "the file name")
        yield from (fault for fault in found if fault.path[: len(path)] == path)


def _subflows_get_no_files(spec: Spec) -> Iterator[Fault]:
    functions = _texts(_entries(spec, "functions"), "id")
    kinds = {name: spec["functions"][path[1]].get("type") for path, name in functions}
    for path, action in _actions(spec):
        if "files" in action and kinds.get(str(action.get("function"))) == "subflow":
            message = "is not for a subflow; it shares variables by their scope"
            yield Fault((*path, "files"), message, code=Code.CONFLICTING_FIELDS)


CHECKS: tuple[Callable[[Spec], Iterator[Fault]], ...] = (
    _names_are_outside,
    _state_ids_are_unique,
    _function_ids_are_unique,
    _transitions_exist,
    _functions_exist,
    _states_with_several_ways_have_no_other,
    _getters_name_each_value_once,
    _files_have_targets_of_their_own,
    _subflows_get_no_files,
)
"""All rules; one more is one more line."""


def _entries(value: Spec, key: str, path: Path = ()) -> Iterator[tuple[Path, Spec]]:
    """Yield the mappings in the list under `key`, with their places."""
    listed = value.get(key)
    if isinstance(listed, list):
        for place, item in enumerate(listed):
            if isinstance(item, dict):
                yield (*path, key, place), item


def _texts(entries: Iterator[tuple[Path, Spec]], key: str) -> Iterator[tuple[Path, str]]:
    for path, entry in entries:
        if isinstance(entry.get(key), str):
            yield (*path, key), entry[key]


def _actions(spec: Spec) -> Iterator[tuple[Path, Spec]]:
    for path, state in _entries(spec, "states"):
        if isinstance(state.get("action"), dict):
            yield (*path, "action"), state["action"]
        yield from _entries(state, "actions", path)


def _transitions(spec: Spec) -> Iterator[tuple[Path, str]]:
    start = spec.get("start")
    if isinstance(start, dict):
        yield from _texts(iter([(("start",), start)]), "state")
    for path, state in _entries(spec, "states"):
        yield from _texts(iter([(path, state)]), "transition")
        yield from _texts(iter([(path, state)]), "defaultTransition")
        for key in ("catch", "conditions", "events"):
            yield from _texts(_entries(state, key, path), "transition")


def _names(entries: Iterator[tuple[Path, Spec]]) -> Iterator[tuple[Path, str]]:
    """Yield what each entry is called where it is put: `as`, else `key`, when that is literal."""
    for path, entry in entries:
        field = "as" if entry.get("as") else "key"
        name = entry.get(field)
        if isinstance(name, str) and name.strip() and not mentions_programs(name):
            yield (*path, field), name.strip()


def _unique(
    named: Iterator[tuple[Path, str]] | list[tuple[Path, str]], what: str
) -> Iterator[Fault]:
    first: dict[str, Path] = {}
    for path, name in named:
        if name in first:
            place = format_path(first[name])
            message = f"{what} {wording.shown(name)} is already that of {place}"
            yield Fault(path, message, code=Code.DUPLICATE_NAME)
        first.setdefault(name, path)


def format_path(path: Path) -> str:
    """Return a place as people write it, such as `states[1].variables[0].scope`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.replace("_", "a").replace("-", "a").isalnum():
            text += f".{step}" if text else step
        else:
            text += f"[{wording.shown(step)}]"
    return text
