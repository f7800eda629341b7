"""Finds what was not there in the last run: the state holds what was."""

from __future__ import annotations

from typing import Any

from varflow_client import Context, serve


def watch(context: Context) -> list[Any]:
    """Return the items that are new."""
    items: list[Any] = context.input["items"]
    seen = context.variables.get_state(default=[])  # in the first run there is none
    context.variables.set_state(items)
    return [item for item in items if item not in seen]


serve(watch)
