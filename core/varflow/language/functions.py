"""The functions of a workflow, in Varflow's words and in Direktiv's. PURE.

Both editions of Direktiv's YAML become `ContainerFunction`s: `cmd` is split as a shell would,
`envs` is `env`, a number as `scale` is its minimum, and a function that names a service instead of
an image has that as its `image`; whoever runs it decides what such a name stands for.
"""

from __future__ import annotations

import shlex
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, PlainValidator, StrictFloat, StrictInt, ValidationInfo

from varflow.language import expressions, fields, wording
from varflow.language.fields import (
    FileType,
    Identifier,
    Key,
    Model,
    Permissions,
    Scope,
    Target,
)

Size = Literal["small", "medium", "large"]
DIREKTIV_TYPES = {
    "knative-workflow": "image",
    "reusable": "image",
    "isolated": "image",
    "knative-namespace": "service",
    "knative-global": "service",
    "knative-system": "service",
}
"""Direktiv's function types, and what each names (direktiv-contract.md §3.2)."""
_DIREKTIV_FIELDS = {"cmd", "envs", "service", "path"}


class FileSpec(Model):
    """One entry of `files`: a variable that the function finds in its temp dir."""

    key: Key
    scope: Scope = expressions.Literal("instance")
    as_: Target = Field(default=expressions.Literal(""), alias="as")
    type: FileType = expressions.Literal("plain")
    permissions: Permissions = expressions.Literal("")


def _words(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, str):
        if not _command(value):
            fields.fail("is empty; give a command line")
        return value
    if not isinstance(value, list | tuple) or not value:
        fields.fail("must be a command line, or a list of its words")
    for place, word in enumerate(value):
        if not isinstance(word, str):
            fields.fail(wording.not_a_string(word), place)
    return tuple(value)


def _command(line: Any) -> tuple[str, ...]:
    if not isinstance(line, str):
        fields.fail(wording.not_a_string(line))
    try:
        return tuple(shlex.split(line))
    except ValueError as error:
        fields.fail(f"is no command line: {str(error).lower()}")


class LocalSpec(Model):
    """How `varflow run` starts the function without a cluster."""

    command: Annotated[str | tuple[str, ...] | None, PlainValidator(_words)] = None
    """A shell-like command line, or its words."""
    dir: str | None = None
    """Working folder, relative to the workflow's file."""
    port: StrictInt | None = Field(default=None, ge=1, le=65535)
    """The port of a program that always listens on the same one."""


class Scale(Model):
    """How many pods a function has."""

    min: StrictInt | None = Field(default=None, ge=0)
    max: StrictInt | None = Field(default=None, ge=1)
    idleSeconds: StrictInt | StrictFloat | None = Field(default=None, ge=0)


def _environment(value: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    names = set()
    for place, entry in enumerate(value):
        name = entry.get("name")
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            fields.fail("needs a name: a string without '='", place)
        if not isinstance(entry.get("value", ""), str):
            fields.fail(wording.not_a_string(entry["value"]), place, "value")
        if name in names:
            fields.fail(f"the name {wording.shown(name)} is here twice", place, "name")
        names.add(name)
    return value


Environment = Annotated[tuple[dict[str, Any], ...], AfterValidator(_environment)]
"""Kubernetes' list of {name, value or valueFrom}."""


class ContainerFunction(Model):
    """A function that is a container image."""

    id: Identifier
    type: Literal["container"] = "container"
    image: str = Field(min_length=1)
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    env: Environment = ()
    envFrom: tuple[dict[str, Any], ...] = ()
    resources: dict[str, Any] | None = None
    size: Size = "small"
    files: tuple[FileSpec, ...] = ()
    scale: Scale | None = None
    concurrency: StrictInt = Field(default=10, ge=1, le=1000)
    pod: dict[str, Any] | None = None
    local: LocalSpec | None = None


class SubflowFunction(Model):
    """A function that is another workflow."""

    id: Identifier
    type: Literal["subflow"]
    workflow: str


class DirektivFunction(Model):
    """A function as Direktiv's YAML has it; `local` is ours, so that such a file can run here."""

    later: ClassVar = {"patches": "patches are not supported; use a Workflow manifest with `pod`"}

    id: Identifier
    type: str = "reusable"
    image: str = ""
    service: str = ""
    path: str = ""
    cmd: Annotated[tuple[str, ...], PlainValidator(_command)] = ()
    envs: Environment = ()
    size: Size = "small"
    scale: StrictInt | None = Field(default=None, ge=0)
    files: tuple[FileSpec, ...] = ()
    local: LocalSpec | None = None

    def to_container(self) -> ContainerFunction:
        """Return the same as Varflow has it; raise pydantic's error when it names no image."""
        field = DIREKTIV_TYPES[self.type]
        name = self.image if field == "image" else self.service or self.path
        if not name:
            fields.fail("is missing", field)
        return ContainerFunction(
            id=self.id,
            image=name,
            command=self.cmd or None,
            env=self.envs,
            size=self.size,
            scale=None if self.scale is None else Scale(min=self.scale),
            files=self.files,
            local=self.local,
        )


def _function(value: Any, info: ValidationInfo) -> ContainerFunction | SubflowFunction:
    if isinstance(value, ContainerFunction | SubflowFunction):
        return value
    if not isinstance(value, dict):
        fields.fail(f"must be a mapping, not {wording.kind_of(value)}")
    kind = value.get("type", "reusable" if _is_direktiv(value) else "container")
    if kind == "subflow":
        fields.fail("subflow functions are not supported yet", "type")
    if kind == "container":
        return ContainerFunction.model_validate(value, context=info.context)
    if kind not in DIREKTIV_TYPES:
        names = ("container", "subflow", *DIREKTIV_TYPES)
        shown = wording.shown(kind) if isinstance(kind, str) else wording.kind_of(kind)
        fields.fail(f"unknown function type {shown}", "type", hint=wording.nearest(kind, names))
    return DirektivFunction.model_validate(value, context=info.context).to_container()


def _is_direktiv(value: dict[str, Any]) -> bool:
    """Tell whether a function without a type is written in the older edition's words."""
    return bool(_DIREKTIV_FIELDS & value.keys()) or isinstance(value.get("scale"), int)


Function = Annotated[ContainerFunction | SubflowFunction, PlainValidator(_function)]
