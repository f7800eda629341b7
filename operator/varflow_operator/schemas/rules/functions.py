"""What a function may say beside what. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from varflow.language.functions import DIREKTIV_TYPES
from varflow_operator.schemas.rules.words import Rule, any_of, exactly_one, given

_SERVICES: Final = [kind for kind, names in DIREKTIV_TYPES.items() if names == "service"]
_OWN_WORDS: Final = (
    "command",
    "args",
    "env",
    "envFrom",
    "resources",
    "scale",
    "concurrency",
    "pod",
)
_DIREKTIV_WORDS: Final = ("cmd", "envs", "service", "path")
_TYPE: Final = "(has(self.type) ? self.type : '')"


_FORMS: Final = (
    Rule(
        kind="Workflow",
        at="spec.functions[]",
        cel=f"{_TYPE} in {['subflow', *_SERVICES]} || (has(self.image) && size(self.image) > 0)",
        message="a function needs an image, unless its type is subflow",
        field=".image",
        reason="FieldValueRequired",
    ),
    Rule(
        kind="Workflow",
        at="spec.functions[]",
        cel=f"!({_TYPE} in {_SERVICES}) || has(self.service) || has(self.path)",
        message="a function of this type needs service or path",
        field=".service",
        reason="FieldValueRequired",
    ),
    Rule(
        kind="Workflow",
        at="spec.functions[]",
        cel=f"({_TYPE} == 'subflow') == has(self.workflow)",
        message="a function of type subflow needs workflow, and no other has it",
        field=".workflow",
    ),
    Rule(
        kind="Workflow",
        at="spec.functions[]",
        cel=f"{_TYPE} != 'subflow' || "
        f"!({any_of(('image', 'size', 'files', 'local', *_OWN_WORDS, *_DIREKTIV_WORDS))})",
        message="a function of type subflow has nothing but id, type and workflow",
    ),
    Rule(
        kind="Workflow",
        at="spec.functions[]",
        cel=f"!({any_of(_DIREKTIV_WORDS)}) || !({_TYPE} == 'container' || {any_of(_OWN_WORDS)})",
        message=f"{', '.join(_DIREKTIV_WORDS)} are Direktiv's words; "
        f"they do not go with type container, {', '.join(_OWN_WORDS)}",
    ),
    Rule(
        kind="Workflow",
        at="spec.functions[]",
        cel=f"!({_TYPE} in {list(DIREKTIV_TYPES)}) || !({any_of(_OWN_WORDS)})",
        message=f"a function of one of Direktiv's types has no {', '.join(_OWN_WORDS)}",
    ),
    Rule(
        kind="Workflow",
        at="spec.functions[].scale",
        cel=f"!({given('self.min')}) || !({given('self.max')}) || self.min <= self.max",
        message="min is at most max",
        field=".min",
    ),
)


def _environment_rules() -> Iterator[Rule]:
    for place in ("env", "envs"):
        yield Rule(
            kind="Workflow",
            at=f"spec.functions[].{place}[]",
            cel=f"!(has(self.value) && size(self.value) > 0 && {given('self.valueFrom')})",
            message="value and valueFrom exclude each other",
            field=".valueFrom",
        )
        sources = ("secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef")
        yield Rule(
            kind="Workflow",
            at=f"spec.functions[].{place}[].valueFrom",
            cel=exactly_one(sources),
            message=f"exactly one of {', '.join(sources)} is given",
        )


FUNCTIONS: Final = (*_FORMS, *_environment_rules())
