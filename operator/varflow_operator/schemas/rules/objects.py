"""What a Variable says about its value, and what cannot be changed afterwards. PURE."""

from __future__ import annotations

from typing import Final

from varflow_operator.schemas.rules.words import Rule, exactly_one, given, unchanged

VARIABLES: Final = (
    Rule(
        kind="Variable",
        at="spec",
        cel=f"(self.scope == 'workflow') == ({given('self.workflowRef')})",
        message="workflowRef is given when scope is workflow, and only then",
        field=".workflowRef",
    ),
    Rule(
        kind="Variable",
        at="spec",
        cel=f"[{', '.join(given(f'self.{it}') for it in ('text', 'base64', 'valueFrom'))}]"
        ".filter(it, it).size() <= 1",
        message="exactly one of value, text, base64 and valueFrom is given",
    ),
    Rule(
        kind="Variable",
        at="spec",
        cel=f"!self.secret || ({given('self.valueFrom')} && "
        f"{given('self.valueFrom.secretKeyRef')})",
        message="a secret's value comes from valueFrom.secretKeyRef",
        field=".secret",
    ),
    Rule(
        kind="Variable",
        at="spec.valueFrom",
        cel=exactly_one(("secretKeyRef", "configMapKeyRef")),
        message="exactly one of secretKeyRef, configMapKeyRef is given",
    ),
    Rule(
        kind="Variable",
        at="spec",
        cel=unchanged("key"),
        message="key cannot be changed; make another Variable",
        field=".key",
        reason="FieldValueForbidden",
    ),
    Rule(
        kind="Variable",
        at="spec.scope",
        cel="self == oldSelf",
        message="scope cannot be changed; make another Variable",
        reason="FieldValueForbidden",
    ),
    Rule(
        kind="Variable",
        at="spec",
        cel=unchanged("workflowRef"),
        message="workflowRef cannot be changed; make another Variable",
        field=".workflowRef",
        reason="FieldValueForbidden",
    ),
)

_INSTANCE_FIELDS: Final = ("revision", "trigger", "parent")
INSTANCES: Final = (
    Rule(
        kind="WorkflowInstance",
        at="spec",
        cel="self == oldSelf || (self.cancel && !oldSelf.cancel && "
        "self.workflow == oldSelf.workflow && "
        f"{' && '.join(unchanged(it) for it in _INSTANCE_FIELDS)})",
        message="an instance cannot be changed, except that cancel may become true",
        reason="FieldValueForbidden",
    ),
)
