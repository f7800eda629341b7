"""Tells about one item."""

from __future__ import annotations

from varflow_client import Context, serve


def tell(context: Context) -> str:
    """Return what there is to tell."""
    return f"{context.input} is new"


serve(tell)
