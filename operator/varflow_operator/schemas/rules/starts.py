"""Which fields a start may have, and which it cannot do without. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from varflow.language.starts import STARTS as TYPES
from varflow_operator.schemas import forms
from varflow_operator.schemas.rules.words import Rule


def _rules() -> Iterator[Rule]:
    for field, types in forms.fields_of_types(TYPES).items():
        yield Rule(
            kind="Workflow",
            at="spec.start",
            cel=f"!has(self.{field}) || (has(self.type) && self.type in {types})",
            message=f"{field} is only for a start of type {' and '.join(types)}",
            field=f".{field}",
            reason="FieldValueForbidden",
        )
    for kind, fields in forms.required_of_types(TYPES).items():
        yield Rule(
            kind="Workflow",
            at="spec.start",
            cel=f"!has(self.type) || self.type != '{kind}' || "
            f"({' && '.join(f'has(self.{it})' for it in fields)})",
            message=f"a start of type {kind} needs {' and '.join(fields)}",
            reason="FieldValueRequired",
        )


STARTS: Final = (*_rules(),)
