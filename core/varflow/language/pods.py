"""What a function says about its container and its pods, in Kubernetes' words. PURE.

These values go into pods as they were written, so they stay plain JSON; the models here say what
may be in them. Only what is harmless is known: volumes, host namespaces, privileges and other
containers are nothing that a workflow asks for. Whoever builds the pod looks again.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    StrictBool,
    StrictInt,
    WithJsonSchema,
    model_validator,
)

from varflow.language import bounds, fields, wording
from varflow.language.codes import Code
from varflow.language.fields import Model, Name

_NAME_RULE = "needs a name: a string without '='"
_QUANTITY = re.compile(
    r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?", re.ASCII
)


def _quantity(value: Any) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        fields.fail(wording.not_a_string(value), code=Code.WRONG_TYPE)
    if len(value) > bounds.QUANTITY or not _QUANTITY.fullmatch(value):
        fields.fail(f"{wording.shown(value)} is no quantity such as 500m or 128Mi")
    return value


def _variable_name(value: str) -> str:
    if not value or "=" in value or "\0" in value:
        fields.fail(_NAME_RULE)
    return value


Label = Annotated[str, Field(max_length=bounds.LABEL)]
Labels = Annotated[dict[str, Label], Field(max_length=bounds.ENTRIES)]
Text = Annotated[str, Field(max_length=bounds.TEXT)]
Free = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": True})]
"""What Kubernetes checks when the pod is made."""
UserId = Annotated[StrictInt, Field(ge=1, le=bounds.KUBERNETES_ID)]
"""A user or group other than root."""
Quantity = Annotated[
    int | str,
    PlainValidator(_quantity),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": bounds.QUANTITY,
            "pattern": f"^{_QUANTITY.pattern}$",
        }
    ),
]
Quantities = Annotated[dict[str, Quantity], Field(max_length=bounds.ENTRIES)]


class KeyRef(Model):
    """One key of a Secret or ConfigMap in the workflow's namespace."""

    name: Name
    """Name of the Secret or ConfigMap."""
    key: Name
    """Which of its keys."""
    optional: StrictBool | None = None
    """Whether it may be absent; the environment variable is then not set."""


class FieldRef(Model):
    """A field of the pod itself."""

    fieldPath: Name
    """Such as metadata.name or status.podIP."""


class ResourceFieldRef(Model):
    """A request or limit of the container."""

    resource: Name
    """Such as limits.memory."""
    containerName: Name | None = None
    """The container, if not the function's own."""
    divisor: Quantity | None = None
    """The unit to count in."""


class EnvSource(Model):
    """Where the value of an environment variable comes from; exactly one of these."""

    secretKeyRef: KeyRef | None = None
    """A key of a Secret."""
    configMapKeyRef: KeyRef | None = None
    """A key of a ConfigMap."""
    fieldRef: FieldRef | None = None
    """A field of the pod."""
    resourceFieldRef: ResourceFieldRef | None = None
    """A request or limit of the container."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        given = [name for name, value in self if value is not None]
        if len(given) != 1:
            names = ", ".join(type(self).model_fields)
            fields.fail(f"needs exactly one of {names}", code=Code.CONFLICTING_FIELDS)
        return self


class EnvVar(Model):
    """One environment variable of a function."""

    absent: ClassVar = {"name": _NAME_RULE}

    name: Annotated[
        Name,
        AfterValidator(_variable_name),
        WithJsonSchema({"type": "string", "maxLength": bounds.NAME, "pattern": "^[^=]+$"}),
    ]
    """Its name, without an equals sign."""
    value: Text = ""
    """Its value."""
    valueFrom: EnvSource | None = None
    """Where the value comes from, in a cluster; instead of value."""

    @model_validator(mode="after")
    def _has_one_value(self) -> Self:
        if self.value and self.valueFrom is not None:
            fields.fail(
                "excludes value; give one of them", "valueFrom", code=Code.CONFLICTING_FIELDS
            )
        return self


class SourceRef(Model):
    """A Secret or ConfigMap in the workflow's namespace."""

    name: Name
    """Its name."""
    optional: StrictBool | None = None
    """Whether it may be absent."""


class EnvFrom(Model):
    """A Secret or ConfigMap, all keys of which become environment variables."""

    prefix: Name | None = None
    """What is put before each key."""
    secretRef: SourceRef | None = None
    """The Secret."""
    configMapRef: SourceRef | None = None
    """The ConfigMap."""


class Resources(Model):
    """What the function's container asks for and may use."""

    limits: Quantities | None = None
    """The most of each resource that it may use."""
    requests: Quantities | None = None
    """How much of each resource is kept for it."""


class Toleration(Model):
    """A taint of nodes that the pods tolerate."""

    key: Name | None = None
    """The taint's key; without one, all."""
    operator: Literal["Exists", "Equal"] | None = None
    """Whether the taint's value counts; Equal unless given."""
    value: Label | None = None
    """The taint's value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect; without one, all."""
    tolerationSeconds: Annotated[StrictInt, Field(ge=0, le=bounds.IDLE_SECONDS)] | None = None
    """How long the pods stay on a node that has got the taint."""


class PullSecret(Model):
    """A Secret with which images are pulled."""

    name: Name
    """Its name."""


class SecurityContext(Model):
    """The user and groups that the function runs as; never root."""

    runAsUser: UserId | None = None
    """The user; 65532 unless given."""
    runAsGroup: UserId | None = None
    """The group; 65532 unless given."""
    fsGroup: UserId | None = None
    """The group that owns the files which the function shares with its sidecar."""
    supplementalGroups: Annotated[tuple[UserId, ...], Field(max_length=bounds.ENTRIES)] | None = (
        None
    )
    """More groups."""


class Affinity(Model):
    """Near what, or away from what, the pods are placed."""

    nodeAffinity: Free | None = None
    """Which nodes, as in a pod."""
    podAffinity: Free | None = None
    """Near which pods, as in a pod."""
    podAntiAffinity: Free | None = None
    """Away from which pods, as in a pod."""


class Pod(Model):
    """What a function may say about its pods."""

    labels: Labels | None = None
    """More labels; Varflow's own stay as they are."""
    annotations: Annotated[dict[str, Text], Field(max_length=bounds.ENTRIES)] | None = None
    """More annotations."""
    nodeSelector: Labels | None = None
    """Labels that a node must have."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=bounds.ENTRIES)] | None = None
    """Taints of nodes that the pods tolerate."""
    affinity: Affinity | None = None
    """Near what, or away from what, the pods are placed."""
    topologySpreadConstraints: (
        Annotated[tuple[Free, ...], Field(max_length=bounds.ENTRIES)] | None
    ) = None
    """How the pods are spread, as in a pod."""
    serviceAccountName: Name | None = None
    """The pods' service account; its token is never mounted."""
    imagePullSecrets: Annotated[tuple[PullSecret, ...], Field(max_length=bounds.ENTRIES)] | None = (
        None
    )
    """Secrets with which images are pulled."""
    imagePullPolicy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """When the function's image is pulled."""
    priorityClassName: Name | None = None
    """How important the pods are."""
    runtimeClassName: Name | None = None
    """Which container runtime runs them."""
    securityContext: SecurityContext | None = None
    """The user and groups that the function runs as."""


def _unique(entries: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    names = set[str]()
    for place, entry in enumerate(entries):
        name = entry["name"]
        if name in names:
            message = f"the name {wording.shown(name)} is here twice"
            fields.fail(message, place, "name", code=Code.DUPLICATE_NAME)
        names.add(name)
    return entries


Environment = Annotated[
    tuple[Annotated[dict[str, Any], fields.as_given(EnvVar)], ...],
    Field(max_length=bounds.ENVIRONMENT),
    AfterValidator(_unique),
]
"""Kubernetes' list of {name, value or valueFrom}."""
EnvironmentSources = Annotated[
    tuple[Annotated[dict[str, Any], fields.as_given(EnvFrom)], ...],
    Field(max_length=bounds.ENVIRONMENT),
]
ContainerResources = Annotated[dict[str, Any], fields.as_given(Resources)]
PodFields = Annotated[dict[str, Any], fields.as_given(Pod)]
