"""The functions of a workflow, in Varflow's words and in Direktiv's. PURE.

Both editions of Direktiv's YAML become `ContainerFunction`s: `cmd` is split as a shell would,
`envs` is `env`, a number as `scale` is its minimum, and a function that names a service instead of
an image has that as its `image`; whoever runs it decides what such a name stands for.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    Field,
    PlainValidator,
    StrictFloat,
    StrictInt,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from varflow.language import bounds, expressions, fields, pods, wording
from varflow.language.codes import Code
from varflow.language.fields import (
    FileType,
    Identifier,
    Key,
    Model,
    Name,
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
    """The variable's key."""
    scope: Scope = expressions.Literal("instance")
    """The variable's scope: instance, workflow or namespace."""
    as_: Target = Field(default=expressions.Literal(""), alias="as")
    """Where it is put, relative to the temp dir; its key unless given."""
    type: FileType = expressions.Literal("plain")
    """What becomes of it: plain, base64, tar or tar.gz."""
    permissions: Permissions = expressions.Literal("")
    """Mode of the file in octal digits, such as '0644'."""


Files = Annotated[tuple[FileSpec, ...], Field(max_length=bounds.FILES)]


def _words(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, str):
        if not _command(value):
            fields.fail("is empty; give a command line", code=Code.OUT_OF_BOUNDS)
        return value
    if not isinstance(value, list | tuple) or not value:
        fields.fail("must be a command line, or a list of its words", code=Code.WRONG_TYPE)
    for place, word in enumerate(value):
        if not isinstance(word, str):
            fields.fail(wording.not_a_string(word), place, code=Code.WRONG_TYPE)
    return tuple(value)


def _command(line: Any) -> tuple[str, ...]:
    if not isinstance(line, str):
        fields.fail(wording.not_a_string(line), code=Code.WRONG_TYPE)
    if len(line) > bounds.TEXT:
        fields.fail(wording.too_long(len(line), bounds.TEXT), code=Code.OUT_OF_BOUNDS)
    try:
        return tuple(shlex.split(line))
    except ValueError as error:
        fields.fail(f"is no command line: {str(error).lower()}")


Word = Annotated[str, Field(max_length=bounds.TEXT)]
Words = Annotated[tuple[Word, ...], Field(max_length=bounds.WORDS)]


class LocalSpec(Model):
    """How `varflow run` starts the function without a cluster."""

    command: Annotated[str | tuple[str, ...] | None, PlainValidator(_words)] = None
    """A shell-like command line, or its words."""
    dir: Annotated[str, Field(max_length=bounds.PATH)] | None = None
    """Working folder, relative to the workflow's file."""
    port: StrictInt | None = Field(default=None, ge=1, le=65535)
    """The port of a program that always listens on the same one."""


class Scale(Model):
    """How many pods a function has."""

    min: StrictInt | None = Field(default=None, ge=0, le=bounds.PODS)
    """The fewest, also when there is nothing to do; 0 unless given."""
    max: StrictInt | None = Field(default=None, ge=1, le=bounds.PODS)
    """The most; 5 unless given."""
    idleSeconds: Annotated[
        StrictInt | StrictFloat | None,
        Field(ge=0, le=bounds.IDLE_SECONDS),
        WithJsonSchema(
            {
                "anyOf": [{"type": "number"}, {"type": "null"}],
                "minimum": 0,
                "maximum": bounds.IDLE_SECONDS,
            }
        ),
    ] = None
    """How long a pod without work is kept beyond the fewest; 300 unless given."""

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            message = f"is {self.min}, more than max, which is {self.max}"
            fields.fail(message, "min", code=Code.OUT_OF_BOUNDS)
        return self


class ContainerFunction(Model):
    """A function that is a container image."""

    id: Identifier
    """Its name in this workflow."""
    type: Literal["container"] = "container"
    """What it is: a container image, or another workflow."""
    image: str = Field(min_length=1, max_length=bounds.IMAGE)
    """The container image."""
    command: Words | None = None
    """What the container runs instead of the image's entrypoint."""
    args: Words | None = None
    """Arguments instead of the image's own."""
    env: pods.Environment = ()
    """Environment variables."""
    envFrom: pods.EnvironmentSources = ()
    """Secrets and ConfigMaps, all keys of which become environment variables."""
    resources: pods.ContainerResources | None = None
    """What the container asks for and may use; instead of size."""
    size: Size = "small"
    """How much the container may use, in three steps; small unless given."""
    files: Files = ()
    """Variables that the function always finds as files, beside those of the action."""
    scale: Scale | None = None
    """How many pods the function has."""
    concurrency: StrictInt = Field(default=10, ge=1, le=1000)
    """How many actions one pod runs at a time; 10 unless given."""
    pod: pods.PodFields | None = None
    """What else is said about its pods."""
    local: LocalSpec | None = None
    """How it is started without a cluster."""


class SubflowFunction(Model):
    """A function that is another workflow."""

    id: Identifier
    """Its name in this workflow."""
    type: Literal["subflow"]
    """What it is: another workflow."""
    workflow: str = Field(min_length=1, max_length=bounds.NAME)
    """Name of the workflow that is started, or the path of its file, which is named like it."""


class DirektivFunction(Model):
    """A function as Direktiv's YAML has it; `local` is ours, so that such a file can run here."""

    later: ClassVar = {"patches": "patches are not supported; use a Workflow manifest with `pod`"}
    elsewhere: ClassVar = dict.fromkeys(
        ("command", "args", "env", "envFrom", "resources", "concurrency", "pod"),
        "the function has words of Direktiv's (cmd, envs, a number as scale); use one kind",
    )

    id: Identifier
    """Its name in this workflow."""
    type: Annotated[str, WithJsonSchema({"type": "string", "enum": [*DIREKTIV_TYPES]})] = "reusable"
    """Direktiv's word for what it is."""
    image: str = Field(default="", max_length=bounds.IMAGE)
    """The container image."""
    service: Name = ""
    """Direktiv: the service that stands for an image."""
    path: str = Field(default="", max_length=bounds.PATH)
    """Direktiv: the path of the service that stands for an image."""
    cmd: Annotated[
        tuple[str, ...],
        PlainValidator(_command),
        WithJsonSchema({"type": "string", "maxLength": bounds.TEXT}),
    ] = ()
    """Direktiv: the command line that the container runs."""
    envs: pods.Environment = ()
    """Direktiv: environment variables."""
    size: Size = "small"
    """How much the container may use, in three steps; small unless given."""
    scale: StrictInt | None = Field(default=None, ge=0, le=bounds.PODS)
    """The fewest pods."""
    files: Files = ()
    """Variables that the function always finds as files, beside those of the action."""
    local: LocalSpec | None = None
    """How it is started without a cluster."""

    def to_container(self) -> ContainerFunction:
        """Return the same as Varflow has it; raise pydantic's error when it names no image."""
        field = DIREKTIV_TYPES[self.type]
        name = self.image if field == "image" else self.service or self.path
        if not name:
            fields.fail("is missing", field, code=Code.MISSING_FIELD)
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
        fields.fail(f"must be a mapping, not {wording.kind_of(value)}", code=Code.WRONG_TYPE)
    kind = value.get("type", "reusable" if _is_direktiv(value) else "container")
    if kind == "subflow":
        return SubflowFunction.model_validate(value, context=info.context)
    if kind == "container":
        return ContainerFunction.model_validate(value, context=info.context)
    if kind not in DIREKTIV_TYPES:
        names = ("container", "subflow", *DIREKTIV_TYPES)
        shown = wording.shown(kind) if isinstance(kind, str) else wording.kind_of(kind)
        fields.fail(f"unknown function type {shown}", "type", hint=wording.nearest(kind, names))
    return DirektivFunction.model_validate(value, context=info.context).to_container()


def in_own_words(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a valid function's fields as a `ContainerFunction` has them; expressions stay text."""
    kind = value.get("type", "reusable" if _is_direktiv(value) else "container")
    if kind not in DIREKTIV_TYPES:
        return dict(value)
    function = DirektivFunction.model_validate(value).to_container()
    files = {"files": value["files"]} if value.get("files") else {}
    fields_ = function.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude={"files"}
    )
    return {**fields_, **files}


def _is_direktiv(value: Mapping[str, Any]) -> bool:
    """Tell whether a function without a type is written in the older edition's words."""
    return bool(_DIREKTIV_FIELDS & value.keys()) or isinstance(value.get("scale"), int)


Function = Annotated[
    ContainerFunction | SubflowFunction,
    PlainValidator(
        _function, json_schema_input_type=ContainerFunction | SubflowFunction | DirektivFunction
    ),
]
