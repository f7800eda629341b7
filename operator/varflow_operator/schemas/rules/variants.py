"""Which fields a state or a start may have by its `type`, and which it cannot do without. PURE."""

from __future__ import annotations

from collections.abc import Iterator

from varflow_operator.schemas import forms
from varflow_operator.schemas.rules.words import Rule


def make_rules(
    types: forms.Types, *, at: str, one: str, only_for: str, has_default: bool = False
) -> Iterator[Rule]:
    """Yield the rules of the models that `type` tells apart.

    Args:
        types: the models by their `type`.
        at: where they stand in the schema.
        one: what one of them is called.
        only_for: the same, behind "is only for".
        has_default: whether one type is meant when there is none.
    """
    for field, kinds in forms.fields_of_types(types).items():
        is_one = f"self.type in {kinds}"
        yield Rule(
            kind="Workflow",
            at=at,
            cel=f"!has(self.{forms.escaped(field)}) || "
            f"{f'(has(self.type) && {is_one})' if has_default else is_one}",
            message=f"{field} is only for {only_for} of type {' and '.join(kinds)}",
            field=f".{field}",
            reason="FieldValueForbidden",
        )
    for kind, fields in forms.required_of_types(types).items():
        yield Rule(
            kind="Workflow",
            at=at,
            cel=f"{'!has(self.type) || ' if has_default else ''}self.type != '{kind}' || "
            f"({' && '.join(f'has(self.{forms.escaped(it)})' for it in fields)})",
            message=f"{one} of type {kind} needs {' and '.join(fields)}",
            reason="FieldValueRequired",
        )
