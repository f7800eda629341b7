"""The kinds of field that a workflow is made of: what pydantic does with a raw value. PURE.

A field that takes expressions becomes a `Template`; what is written literally is checked at once,
what an expression yields only when it runs. `Context` goes along with every validation: it says
which dialect the file is in, gathers the programs met on the way, and on a second pass knows which
of them do not compile (see `loading`).

Faults raised here may be several for one field, with places of their own inside it: `raise_faults`.
A `Model` turns what pydantic itself finds into the same, in the words of `wording`.

What pydantic cannot see through is said as JSON schema beside it: the schemas of the custom
resources are made from these models. There, no schema at all is any JSON value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, NoReturn, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from varflow.errors import InvalidInput
from varflow.language import (
    bounds,
    durations,
    expressions,
    javascript,
    json_schemas,
    literals,
    wording,
)
from varflow.language.codes import Code
from varflow.language.expressions import (
    Dialect,
    Fault,
    InvalidTemplateError,
    Literal,
    Path,
    Program,
    Template,
)

_WRAPPED_IN_BARE = "jq/1 is not defined"
"""What jq says of a program that is wrapped where none is."""
_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,98}[A-Za-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Context:
    """What a validation knows beside the value."""

    dialect: Dialect
    programs: set[Program] = field(default_factory=set)
    """The programs met."""
    refused: Mapping[Program, str] = field(default_factory=dict)
    """Those that cannot be compiled, and why."""


class Model(BaseModel):
    """What all parts of a workflow share."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    absent: ClassVar[Mapping[str, str]] = {}
    """What to say of required fields that are missing."""
    later: ClassVar[Mapping[str, str]] = {}
    """Fields that other versions know, and what to say of them."""
    elsewhere: ClassVar[Mapping[str, str]] = {}
    """Fields that are often written here, and where they belong."""

    @model_validator(mode="wrap")
    @classmethod
    def _say_it_in_our_words(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            names = [info.alias or name for name, info in cls.model_fields.items()]
            faults = wording.translate(
                error, names, absent=cls.absent, later=cls.later, elsewhere=cls.elsewhere
            )
        raise_faults(faults)
        raise AssertionError(faults)


def raise_faults(faults: Sequence[Fault]) -> None:
    """Raise pydantic's error for faults within one field, if there are any."""
    if not faults:
        return
    details = [
        InitErrorDetails(
            type=PydanticCustomError(wording.OURS, "{text}", _said(fault)),
            loc=fault.path,
            input=None,
        )
        for fault in faults
    ]
    raise ValidationError.from_exception_data("workflow", details)


def as_given(model: type[Model]) -> PlainValidator:
    """Return the validator of a mapping that stays as it was written, if it is such a model."""

    def validate(value: Any, info: ValidationInfo) -> Any:
        model.model_validate(value, context=info.context)
        return value

    return PlainValidator(validate, json_schema_input_type=model)


def fail(
    message: str, *path: str | int, hint: str = "", code: Code = Code.INVALID_VALUE
) -> NoReturn:
    """Raise pydantic's error for one fault."""
    raise_faults([Fault(path, message, hint, code)])
    raise AssertionError(message)


def _said(fault: Fault) -> dict[str, Any]:
    return {"text": fault.message, "hint": fault.hint, "code": fault.code}


# Expressions


def _template(value: Any, info: ValidationInfo) -> Template:
    context = info.context if isinstance(info.context, Context) else Context(Dialect.WRAPPED)
    return _parse(value, context, dialect=context.dialect)


def _parse(value: Any, context: Context, *, dialect: Dialect) -> Template:
    if isinstance(value, expressions.KINDS):
        return value
    faults: list[Fault] = []
    try:
        template = expressions.parse(value, dialect)
    except InvalidTemplateError as error:
        template = error.template
        faults += error.faults
    faults += [it for found in expressions.walk(template) if (it := _judge(*found, context))]
    raise_faults(faults)
    return template


def _judge(path: Path, program: Program, context: Context) -> Fault | None:
    context.programs.add(program)
    reason = context.refused.get(program)
    if reason == javascript.MISSING:
        return Fault(path, reason, code=Code.NOT_SUPPORTED)
    if reason and _WRAPPED_IN_BARE in reason:
        reason += "; this file is bare: programs are written without jq(...)"
    return Fault(path, reason, code=Code.INVALID_EXPRESSION) if reason else None


def _text(find_fault: Callable[[str], str | None]) -> Callable[[Any, ValidationInfo], Template]:
    """Return the validator of a text in which `jq(…)` and `js(…)` are programs in both dialects."""

    def validate(value: Any, info: ValidationInfo) -> Template:
        if not isinstance(value, (str, *expressions.KINDS)):
            fail(wording.not_a_string(value), code=Code.WRONG_TYPE)
        if isinstance(value, str) and len(value) > bounds.TEXT:
            fail(wording.too_long(len(value), bounds.TEXT), code=Code.OUT_OF_BOUNDS)
        context = info.context if isinstance(info.context, Context) else Context(Dialect.WRAPPED)
        template = _parse(value, context, dialect=Dialect.WRAPPED)
        if isinstance(template, Literal):
            fault = find_fault(template.value)
            raise_faults([Fault((), fault)] if fault else [])
        return template

    return validate


# Other checks


def _identifier(value: Any) -> str:
    if not isinstance(value, str):
        fail(wording.not_a_string(value), code=Code.WRONG_TYPE)
    if not _ID.fullmatch(value):
        fail(
            f"{wording.shown(value)} is no id: "
            "1 to 100 letters, digits and inner '-', '_' and '.' are one"
        )
    return value


def _pattern(value: Any) -> str:
    if not isinstance(value, str):
        fail(wording.not_a_string(value), code=Code.WRONG_TYPE)
    if not value.strip():
        fail("is empty; name an error code, or '*' for all")
    if len(value) > bounds.CODE:
        fail(wording.too_long(len(value), bounds.CODE), code=Code.OUT_OF_BOUNDS)
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, str) and len(value) > bounds.DURATION:
        fail(wording.too_long(len(value), bounds.DURATION), code=Code.OUT_OF_BOUNDS)
    try:
        return durations.parse(value)
    except ValueError as error:
        fail(str(error))
        raise


def _literal(find_fault: Callable[[str], str | None], pattern: str = "") -> tuple[Any, ...]:
    """Return what makes a template of a text that is checked when it holds no program."""
    matching = {"pattern": rf"^\s*({pattern})\s*$|j[qs]\("} if pattern else {}
    schema = {"type": "string", "maxLength": bounds.TEXT, **matching}
    return PlainValidator(_text(find_fault)), WithJsonSchema(schema)


def _json_schema(value: Any) -> json_schemas.JsonSchema:
    if isinstance(value, json_schemas.JsonSchema):
        return value
    try:
        return json_schemas.JsonSchema(value)
    except InvalidInput as error:
        fail(error.message)


Expression = Annotated[Template, PlainValidator(_template)]
"""A field that takes expressions: bare ones in the older edition."""
WrappedText = Annotated[Template, *_literal(literals.find_no_fault)]
"""A text in which `jq(...)` and `js(...)` are programs in both editions."""
Key = Annotated[Template, *_literal(literals.find_key_fault, r"[^/]*[^/\s][^/]*")]
"""A variable's name."""
Scope = Annotated[Template, *_literal(literals.find_scope_fault, "|".join(literals.SCOPES))]
"""A variable's scope."""
Target = Annotated[Template, *_literal(literals.find_target_fault)]
"""Where a file is put, relative to the temp dir; empty: its key."""
FileType = Annotated[
    Template,
    *_literal(literals.find_type_fault, "|".join(re.escape(it) for it in literals.FILE_TYPES)),
]
"""What becomes of a variable that is mounted."""
Permissions = Annotated[
    Template, *_literal(literals.find_permissions_fault, rf"({literals.OCTAL.pattern})?")
]
"""Octal digits; empty for the default."""
JsonSchema = Annotated[
    json_schemas.JsonSchema,
    PlainValidator(_json_schema),
    WithJsonSchema({}),
]
"""A JSON Schema, written literally."""
Seconds = Annotated[
    float,
    BeforeValidator(_seconds),
    WithJsonSchema(
        {"type": "string", "maxLength": bounds.DURATION, "pattern": r"^\s*P[0-9.,YMWDTHS]+\s*$"}
    ),
]
"""An ISO 8601 duration, such as PT5S, in seconds."""
Identifier = Annotated[
    str,
    BeforeValidator(_identifier),
    WithJsonSchema({"type": "string", "maxLength": bounds.ID, "pattern": f"^{_ID.pattern}$"}),
]
"""The name of a state or function within its workflow."""
Pattern = Annotated[
    str,
    BeforeValidator(_pattern),
    WithJsonSchema({"type": "string", "maxLength": bounds.CODE, "pattern": r"\S"}),
]
"""A glob over error codes."""
Reference = Annotated[str, Field(max_length=bounds.ID)]
"""The id of a state or function that is elsewhere."""
Name = Annotated[str, Field(max_length=bounds.NAME)]
"""The name of something that is not in this file."""
