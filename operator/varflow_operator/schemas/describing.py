"""JSON schemas of models, with the text that stands below each field in the source. PURE.

Rejected: pydantic's `use_attribute_docstrings`, which reads the sources whenever the models are
imported, so at every start of every program; here that is done when the schemas are made.
"""

from __future__ import annotations

import ast
import inspect
from functools import cache
from types import ModuleType
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from varflow.language import expressions

JsonSchema = dict[str, Any]


def describe(model: type[BaseModel]) -> JsonSchema:
    """Return the JSON schema of what a model takes; every field has its description."""
    return model.model_json_schema(schema_generator=_Generator, mode="validation")


class _Generator(GenerateJsonSchema):
    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        texts = _field_texts(schema["cls"])
        for name, info in schema["cls"].model_fields.items():
            found = made["properties"][info.alias or name]
            if name in texts:
                found.setdefault("description", texts[name])
        return made

    def encode_default(self, dft: Any) -> Any:
        literal = dft.value if isinstance(dft, expressions.Literal) else dft
        return super().encode_default(literal)


def _field_texts(model: type[BaseModel]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            module = inspect.getmodule(base)
            assert module is not None, base
            texts |= _texts_by_class(module).get(base.__name__, {})
    return texts


@cache
def _texts_by_class(module: ModuleType) -> dict[str, dict[str, str]]:
    """Return the texts below the fields of each class of a module."""
    tree = ast.parse(inspect.getsource(module))
    return {node.name: _below(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _below(node: ast.ClassDef) -> dict[str, str]:
    texts = {}
    for field, text in zip(node.body, node.body[1:], strict=False):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(said))),
            ):
                texts[name] = " ".join(said.split())
            case _:
                pass
    return texts
