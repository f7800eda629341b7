"""`Variable` manifests: values that are declared rather than written by a workflow. PURE."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, ClassVar, Literal, Self

import orjson
from pydantic import AfterValidator, Field, model_validator

from varflow.language import bounds, fields, wording
from varflow.language.codes import Code
from varflow.language.expressions import Fault
from varflow.language.fields import Model
from varflow.variables import keys

_SOURCES = {
    "value": "application/json",
    "text": "text/plain; charset=utf-8",
    "base64": "application/octet-stream",
}
"""The fields that hold the value, and the content type that each implies."""


def _key(text: str) -> str:
    fault = keys.find_fault(text)
    if fault:
        fields.fail(f"the key {wording.shown(text)} {fault}")
    return text


def _bytes(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        fields.fail("is not base64")
    return text


class WorkflowRef(Model):
    """The workflow that a variable belongs to."""

    name: str = Field(min_length=1, max_length=bounds.NAME)
    """The workflow's name."""


class DeclaredVariable(Model):
    """A variable that is set before workflows run."""

    absent: ClassVar = {"scope": "is missing; write workflow or namespace"}
    later: ClassVar = {
        "valueFrom": (
            "takes the value from a Secret or ConfigMap, which only a cluster has; "
            "write value, text or base64 here"
        ),
        **{
            name: f"{name} is not supported yet"
            for name in ("schema", "type", "ttlSeconds", "overwrite", "secret", "deletionPolicy")
        },
    }

    namespace: str | None = None
    """The manifest's, if it names one."""
    key: Annotated[str, AfterValidator(_key)]
    scope: Literal["namespace", "workflow"]
    workflowRef: WorkflowRef | None = None
    value: Any = None
    text: Annotated[str, Field(max_length=bounds.INLINE)] | None = None
    base64: Annotated[str, Field(max_length=bounds.INLINE), AfterValidator(_bytes)] | None = None
    contentType: str | None = Field(default=None, min_length=1, max_length=bounds.CONTENT_TYPE)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        faults = [*self._source_faults(), *self._workflow_faults()]
        fields.raise_faults(faults)
        return self

    def _source_faults(self) -> list[Fault]:
        given = [name for name in _SOURCES if name in self.model_fields_set]
        if len(given) == 1:
            return []
        what = " and ".join(given) if given else "none of them"
        path = (given[1],) if given else ()
        message = f"exactly one of value, text and base64 is needed, not {what}"
        code = Code.CONFLICTING_FIELDS if given else Code.MISSING_FIELD
        return [Fault(path, message, code=code)]

    def _workflow_faults(self) -> list[Fault]:
        if self.scope == "workflow" and self.workflowRef is None:
            message = "is missing; scope workflow needs it"
            return [Fault(("workflowRef",), message, code=Code.MISSING_FIELD)]
        if self.scope == "namespace" and self.workflowRef is not None:
            message = "is only for the scope workflow"
            return [Fault(("workflowRef",), message, code=Code.CONFLICTING_FIELDS)]
        return []

    @property
    def workflow(self) -> str | None:
        """Name of the workflow that the variable belongs to, if its scope is one."""
        return self.workflowRef.name if self.workflowRef else None

    @property
    def source(self) -> str:
        """Which of value, text and base64 was given."""
        return next(name for name in _SOURCES if name in self.model_fields_set)

    @property
    def data(self) -> bytes:
        """The variable's bytes."""
        match self.source:
            case "text":
                return (self.text or "").encode()
            case "base64":
                return base64.b64decode(self.base64 or "")
            case _:
                return orjson.dumps(self.value)

    @property
    def content_type(self) -> str:
        """The variable's content type."""
        return self.contentType or _SOURCES[self.source]
