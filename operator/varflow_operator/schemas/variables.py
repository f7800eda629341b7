"""A `Variable` as a cluster has it. PURE.

It is the file's `DeclaredVariable` (varflow.language.declarations) with what only a cluster can do:
values from Secrets and ConfigMaps, expiry, and a life that ends with the object's. The rules
between its fields are in `rules`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictInt

from varflow.language import bounds
from varflow.language.declarations import WorkflowRef
from varflow.language.fields import Model, Name
from varflow.variables.expiries import MAX_SECONDS

SOURCES = ("value", "text", "base64", "valueFrom")
"""The fields of which exactly one is given."""


class SecretKeyRef(Model):
    """A key of a Secret in the variable's namespace."""

    name: Name
    """Name of the Secret."""
    key: Name
    """Which of its keys."""


class ConfigMapKeyRef(Model):
    """A key of a ConfigMap in the variable's namespace."""

    name: Name
    """Name of the ConfigMap."""
    key: Name
    """Which of its keys."""


class ValueSource(Model):
    """Where a value comes from; exactly one of these."""

    secretKeyRef: SecretKeyRef | None = None
    """A key of a Secret."""
    configMapKeyRef: ConfigMapKeyRef | None = None
    """A key of a ConfigMap."""


class VariableSpec(Model):
    """A variable that is declared, rather than written by a workflow."""

    key: Annotated[str, Field(min_length=1, max_length=bounds.NAME, pattern=r"^[^/]+$")] | None = (
        None
    )
    """The variable's key; the object's name unless given. It cannot be changed."""
    scope: Literal["namespace", "workflow"]
    """Who sees it: all workflows of the namespace, or one. It cannot be changed."""
    workflowRef: WorkflowRef | None = None
    """The workflow that it belongs to, when scope is workflow. It cannot be changed."""
    value: Any = None
    """The value as JSON; exactly one of value, text, base64 and valueFrom is given."""
    text: Annotated[str, Field(max_length=bounds.INLINE)] | None = None
    """The value as text."""
    base64: Annotated[str, Field(max_length=bounds.INLINE)] | None = None
    """The value's bytes in base64."""
    valueFrom: ValueSource | None = None
    """Where the value comes from."""
    contentType: Annotated[str, Field(min_length=1, max_length=bounds.CONTENT_TYPE)] | None = None
    """The value's content type; unless given, what the field with the value implies."""
    ttlSeconds: Annotated[StrictInt, Field(ge=1, le=MAX_SECONDS)] | None = None
    """How long after it was written the variable ends; unless given, it does not."""
    overwrite: Literal["IfChanged", "Never"] = "IfChanged"
    """Whether a value that functions have written since is replaced when the spec changes."""
    secret: StrictBool = False
    """Whether the value must not show up anywhere; then it comes from a Secret."""
    deletionPolicy: Literal["Delete", "Retain"] = "Delete"
    """Whether the variable ends with this object, or stays in the store."""
