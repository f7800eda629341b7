"""The three custom resource definitions, put together. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from varflow.language.expressions import Dialect
from varflow.language.workflow import Workflow
from varflow_operator import kinds
from varflow_operator.kinds import Kind, Object
from varflow_operator.schemas import columns, describing, forms, rules, structural
from varflow_operator.schemas.instances import InstanceSpec, InstanceStatus
from varflow_operator.schemas.merging import Schema
from varflow_operator.schemas.rules import Rule
from varflow_operator.schemas.statuses import VariableStatus, WorkflowStatus
from varflow_operator.schemas.variables import SOURCES, VariableSpec

CATEGORY: Final = "varflow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What is special about one kind."""

    kind: Kind
    short_name: str
    description: str
    spec: Schema
    status: Schema


def _workflow_spec() -> Schema:
    """Return the schema of a manifest's `spec`: what is around it in a file is metadata here."""
    schema = structural.make_structural(describing.describe(Workflow))
    properties = {
        name: schema["properties"][name]
        for name in schema["properties"]
        if name not in {"name", "namespace", "dialect"}
    }
    states = properties["states"]
    properties["states"] = {
        **states,
        "items": {**states["items"], "anyOf": forms.alternatives()},
    }
    return {
        **schema,
        "description": "What the workflow does.",
        "required": ["states"],
        "properties": {**properties, "expressions": _EXPRESSIONS},
    }


_EXPRESSIONS: Final[Schema] = {
    "description": "How expressions are written: wrapped in jq(...) unless given, or bare.",
    "type": "string",
    "enum": [*(str(dialect) for dialect in Dialect), None],
    "nullable": True,
}


def _variable_spec() -> Schema:
    schema = structural.make_structural(describing.describe(VariableSpec))
    return {**schema, "oneOf": [{"required": [source]} for source in SOURCES]}


def _schema_of(model: Any) -> Schema:
    return structural.make_structural(describing.describe(model))


def definitions() -> tuple[Definition, ...]:
    """Return the three kinds."""
    return (
        Definition(
            kind=kinds.WORKFLOW,
            short_name="vwf",
            description="A workflow: states, one after the other, that call functions and keep "
            "variables. A WorkflowInstance runs it.",
            spec=_workflow_spec(),
            status=_schema_of(WorkflowStatus),
        ),
        Definition(
            kind=kinds.VARIABLE,
            short_name="vvar",
            description="A variable that is declared, rather than written by a workflow.",
            spec=_variable_spec(),
            status=_schema_of(VariableStatus),
        ),
        Definition(
            kind=kinds.INSTANCE,
            short_name="vwi",
            description="One run of a Workflow.",
            spec=_schema_of(InstanceSpec),
            status=_schema_of(InstanceStatus),
        ),
    )


def make_resource(definition: Definition) -> Object:
    """Return the CustomResourceDefinition of a kind."""
    kind = definition.kind
    names = {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
        "shortNames": [definition.short_name],
        "categories": [CATEGORY],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "names": names,
            "scope": "Namespaced",
            "versions": [_version(definition)],
        },
    }


def _version(definition: Definition) -> Object:
    kind = definition.kind
    return {
        "name": kind.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns.COLUMNS[kind.name],
        "schema": {"openAPIV3Schema": _object_schema(definition)},
    }


def _object_schema(definition: Definition) -> Schema:
    schema = {
        "description": definition.description,
        "type": "object",
        "required": ["spec"],
        "properties": {"spec": definition.spec, "status": definition.status},
    }
    name = definition.kind.name
    for path, key in rules.LIST_KEYS[name].items():
        schema = _amended(
            schema,
            path,
            {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]},
        )
    for path, found in _rules_by_place(name):
        schema = _amended(schema, path, {"x-kubernetes-validations": [_said(it) for it in found]})
    return schema


def _rules_by_place(kind: str) -> Iterator[tuple[str, list[Rule]]]:
    ours = [rule for rule in rules.RULES if rule.kind == kind]
    for place in dict.fromkeys(rule.at for rule in ours):
        yield place, [rule for rule in ours if rule.at == place]


def _said(rule: Rule) -> Schema:
    field = {"fieldPath": rule.field} if rule.field else {}
    return {"rule": rule.cel, "message": rule.message, "reason": rule.reason, **field}


def _amended(schema: Schema, path: str, more: Schema) -> Schema:
    """Return a schema with more said at a place such as `spec.states[].catch`."""
    if not path:
        return {**schema, **more}
    if path.startswith("[]"):
        inner = _amended(schema["items"], path[2:].removeprefix("."), more)
        return {**schema, "items": inner}
    name = path.replace("[]", ".[]").split(".", 1)[0]
    rest = path[len(name) :].removeprefix(".")
    properties = schema["properties"]
    amended = {**properties, name: _amended(properties[name], rest, more)}
    return {**schema, "properties": amended}
