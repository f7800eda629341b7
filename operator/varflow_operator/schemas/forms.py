"""Which fields of a flat schema belong to which type of state or start. PURE.

CEL does not see fields that take any JSON value. Which states have those is left to the operator's
loader, but for the one that is dangerous to forget.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, TypeAlias

from varflow.language.fields import Model
from varflow.language.states import STATES
from varflow_operator.schemas import describing, structural
from varflow_operator.schemas.merging import Schema

Types: TypeAlias = Mapping[str, type[Model]]
"""Models by their `type`."""
_RESERVED: Final = {"as", "function", "import", "in", "namespace", "package"}
"""Words of CEL that are fields here or may become some."""


def escaped(field: str) -> str:
    """Return a field's name as CEL has it."""
    return f"__{field}__" if field in _RESERVED else field


def fields_of_types(types: Types = STATES) -> dict[str, list[str]]:
    """Return the fields that CEL sees and not all types have, with the types that have them."""
    all_own = _own_fields(types)
    return {
        field: [kind for kind in types if field in all_own[kind]]
        for field in dict.fromkeys(it for own in all_own.values() for it in own)
        if all(_is_visible(own[field]) for own in all_own.values() if field in own)
    }


def required_of_types(types: Types = STATES) -> dict[str, list[str]]:
    """Return what CEL sees of what a type cannot do without, beside what all have."""
    found = {
        kind: [
            it
            for it in _schema(types[kind]).get("required", ())
            if it in own and _is_visible(own[it])
        ]
        for kind, own in _own_fields(types).items()
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
def _schema(model: type[Model]) -> Schema:
    return structural.make_structural(describing.describe(model))


def _own_fields(types: Types) -> dict[str, dict[str, Schema]]:
    fields = {kind: _schema(model)["properties"] for kind, model in types.items()}
    common = set.intersection(*(set(names) for names in fields.values()))
    return {
        kind: {name: schema for name, schema in own.items() if name not in common}
        for kind, own in fields.items()
    }


def _is_visible(schema: Schema) -> bool:
    inner: Any = schema.get("items", schema)
    return "type" in inner
