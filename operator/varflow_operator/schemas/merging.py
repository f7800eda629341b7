"""One object schema for values of several forms, such as the states of a workflow. PURE.

A structural schema has one type for each place, and no alternatives. So the forms' fields stand
side by side; which belong to which form is said by rules (see `rules`). Defaults are left out: one
form's would appear in all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Schema = dict[str, Any]


def merge(forms: Sequence[Schema]) -> Schema:
    """Return the schema of which every value of these structural schemas is one.

    Where some forms have an object and others have not, it is the object: the others' way of
    saying the same is for files only.
    """
    objects = [form for form in forms if form.get("type") == "object"]
    if objects:
        return _merge_objects(objects)
    if all(form.get("type") == "array" for form in forms):
        return {**_merge_scalars(forms), "items": merge([form["items"] for form in forms])}
    if all("enum" in form for form in forms):
        values = [value for form in forms for value in form["enum"]]
        return {**_merge_scalars(forms), "enum": list(dict.fromkeys(values))}
    return _merge_scalars(forms)


def _merge_objects(forms: Sequence[Schema]) -> Schema:
    if not all("properties" in form for form in forms):
        return _merge_scalars(forms)
    names = dict.fromkeys(name for form in forms for name in form["properties"])
    required = [name for name in names if all(name in form.get("required", ()) for form in forms)]
    properties = {
        name: merge([form["properties"][name] for form in forms if name in form["properties"]])
        for name in names
    }
    merged = {**_merge_scalars(forms), "properties": properties}
    return {**merged, "required": required} if required else merged


def _merge_scalars(forms: Sequence[Schema]) -> Schema:
    """Return what all forms say, in the first one's words."""
    first, *others = forms
    return {
        key: value
        for key, value in first.items()
        if key == "description"
        or (key not in {"default", "required"} and all(it.get(key) == value for it in others))
    }
