"""Parts of a workflow that are one of several models, which their `type` tells apart. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from varflow.language import fields, wording
from varflow.language.codes import Code

_Part = TypeVar("_Part", bound=fields.Model)


def choose(
    value: Any,
    models: Mapping[str, type[_Part]],
    *,
    what: str,
    default: str | None = None,
    missing: str = "is missing",
    advice: str = "",
) -> type[_Part]:
    """Return the model of a mapping; raise pydantic's error when there is none.

    Args:
        value: as it was written.
        models: the models by their `type`.
        what: what the models are of, in messages.
        default: the type that is meant when there is none.
        missing: what to say when there is none, and none is meant.
        advice: what to say behind an unknown one.
    """
    if not isinstance(value, dict):
        fields.fail(f"must be a mapping, not {wording.kind_of(value)}", code=Code.WRONG_TYPE)
    kind = value.get("type", default)
    if kind is None and default is None:
        fields.fail(missing, "type", code=Code.MISSING_FIELD)
    if not isinstance(kind, str):
        fields.fail(wording.not_a_string(kind), "type", code=Code.WRONG_TYPE)
    if kind not in models:
        message = f"unknown {what} type {wording.shown(kind)}{advice}"
        fields.fail(message, "type", hint=wording.nearest(kind, models))
    return models[kind]
