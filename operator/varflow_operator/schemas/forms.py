"""Which fields of a flat schema belong to which type of state. PURE.

CEL does not see fields that take any JSON value. Which states have those is left to the operator's
loader, but for the one that is dangerous to forget.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from varflow.language.states import STATES, StateCommon
from varflow_operator.schemas import describing, structural
from varflow_operator.schemas.merging import Schema

_RESERVED: Final = {"as", "function", "import", "in", "namespace", "package"}
"""Words of CEL that are fields here or may become some."""


def escaped(field: str) -> str:
    """Return a field's name as CEL has it."""
    return f"__{field}__" if field in _RESERVED else field


def fields_of_types() -> dict[str, list[str]]:
    """Return the fields that CEL sees and not all states have, with the types that have them."""
    return {
        field: [kind for kind in types if field in types[kind]]
        for types in [_own_fields()]
        for field in dict.fromkeys(it for own in types.values() for it in own)
        if all(_is_visible(own[field]) for own in types.values() if field in own)
    }


def required_of_types() -> dict[str, list[str]]:
    """Return what CEL sees of what a type of state cannot do without, beside what all have."""
    found = {
        kind: [it for it in _schema(kind)["required"] if it in own and _is_visible(own[it])]
        for kind, own in _own_fields().items()
    }
    return {kind: names for kind, names in found.items() if names}


def alternatives() -> list[Schema]:
    """Return the forms of states that CEL cannot tell apart; one of them must hold.

    A setter's value may be null, and then deletes; that there is none is a mistake.
    """
    others = [kind for kind in STATES if kind != "setter"]
    valued = {"variables": {"items": {"required": ["value"]}}}
    return [{"properties": {"type": {"enum": others}}}, {"properties": valued}]


@cache
def _schema(kind: str) -> Schema:
    return structural.make_structural(describing.describe(STATES[kind]))


def _own_fields() -> dict[str, dict[str, Schema]]:
    common = {info.alias or name for name, info in StateCommon.model_fields.items()} | {"type"}
    return {
        kind: {
            name: schema
            for name, schema in _schema(kind)["properties"].items()
            if name not in common
        }
        for kind in STATES
    }


def _is_visible(schema: Schema) -> bool:
    inner: Any = schema.get("items", schema)
    return "type" in inner
