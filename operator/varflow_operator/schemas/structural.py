"""From JSON schema to what a Kubernetes API server takes: a structural schema. PURE.

In it every place has one type, references are written out, and nothing is said twice: `anyOf` with
null is `nullable`, a whole number or a string is `x-kubernetes-int-or-string`, and where any JSON
value may stand, unknown fields are preserved. A form that is not known here is an error.
"""

from __future__ import annotations

from typing import Final

from varflow_operator.schemas import merging
from varflow_operator.schemas.describing import JsonSchema
from varflow_operator.schemas.merging import Schema

ANY: Final[Schema] = {"nullable": True, "x-kubernetes-preserve-unknown-fields": True}
"""Any JSON value, null included."""
_KEPT: Final[tuple[str, ...]] = (
    "description",
    "type",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
)
_UNDERSTOOD: Final = {
    *_KEPT,
    "$defs",
    "additionalProperties",
    "anyOf",
    "const",
    "default",
    "items",
    "properties",
    "required",
    "title",
}
_NUMBERS: Final = [{"type": "integer"}, {"type": "number"}]
_INT_OR_STRING: Final = [{"type": "integer"}, {"type": "string"}]


def make_structural(schema: JsonSchema) -> Schema:
    """Return the structural schema of a JSON schema."""
    return _made(schema, schema.get("$defs", {}))


def _made(schema: JsonSchema, definitions: dict[str, JsonSchema]) -> Schema:
    schema = _resolved(schema, definitions)
    if unknown := schema.keys() - _UNDERSTOOD:
        raise ValueError(f"no structural schema has {', '.join(unknown)}: {schema}")
    if "anyOf" in schema:
        return _alternatives(schema, definitions)
    if "const" in schema:
        schema = {**schema, "enum": [schema["const"]]}
    known = {key: schema[key] for key in _KEPT if key in schema}
    if "type" not in schema:
        return {**known, **ANY}
    match schema["type"]:
        case "object":
            return {**known, **_object(schema, definitions)}
        case "array":
            return {**known, **_default(schema), "items": _made(schema["items"], definitions)}
        case _:
            return {**known, **_default(schema)}


def _resolved(schema: JsonSchema, definitions: dict[str, JsonSchema]) -> JsonSchema:
    while "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**definitions[name], **rest}
    return schema


def _object(schema: JsonSchema, definitions: dict[str, JsonSchema]) -> Schema:
    properties = schema.get("properties")
    if properties is not None:
        required = schema.get("required")
        return {
            "properties": {name: _made(it, definitions) for name, it in properties.items()},
            **({"required": required} if required else {}),
        }
    values = schema.get("additionalProperties", True)
    if values is True:
        return {"x-kubernetes-preserve-unknown-fields": True}
    return {"additionalProperties": _made(values, definitions)}


def _default(schema: JsonSchema) -> Schema:
    """Return the default, where a reader would not think of it himself."""
    value = schema.get("default")
    is_said = isinstance(value, bool | int | float) or bool(value)
    fits = schema["type"] != "string" or isinstance(value, str)
    return {"default": value} if is_said and fits else {}


def _alternatives(schema: JsonSchema, definitions: dict[str, JsonSchema]) -> Schema:
    """Return the schema of several forms, of which null makes it nullable."""
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    forms = [_resolved(form, definitions) for form in schema["anyOf"]]
    given = [form for form in forms if form.get("type") != "null"]
    words = {key: rest[key] for key in _KEPT if key in rest}
    made = {**_joined(given, rest, definitions), **words}
    return _nullable(made) if len(given) < len(forms) else made


def _nullable(schema: Schema) -> Schema:
    """Return the schema with null; where the values are listed, null must be among them."""
    values = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, **values, "nullable": True}


def _joined(
    forms: list[JsonSchema], rest: JsonSchema, definitions: dict[str, JsonSchema]
) -> Schema:
    if len(forms) == 1:
        return _made({**forms[0], **rest}, definitions)
    kinds = [{"type": form.get("type")} for form in forms]
    if kinds == _NUMBERS:
        return _made({**forms[1], **rest}, definitions)
    if kinds == _INT_OR_STRING:
        return {"x-kubernetes-int-or-string": True, "anyOf": _INT_OR_STRING}
    return merging.merge([_made(form, definitions) for form in forms])
