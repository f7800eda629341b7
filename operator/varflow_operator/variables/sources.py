"""The bytes that a Variable stands for, wherever they come from."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final

from varflow_operator.cluster import Cluster
from varflow_operator.kinds import SECRET, Object
from varflow_operator.variables.reading import Declaration, Reference

_TEXT: Final = "text/plain; charset=utf-8"
_BYTES: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Content:
    """A value."""

    data: bytes = field(repr=False)
    content_type: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is no value yet."""

    message: str


async def fetch(declaration: Declaration, namespace: str, cluster: Cluster) -> Content | Missing:
    """Return a declared value.

    Raises:
        ClusterError: the cluster could not say.
    """
    reference = declaration.reference
    if reference is None:
        return Content(declaration.data, declaration.content_type)
    found = await cluster.find(reference.kind, namespace, reference.name)
    shown = reference.kind.shown(namespace, reference.name)
    if found is None:
        return Missing(f"there is no {shown}")
    content = pick(found, reference)
    if content is None:
        return Missing(f"{shown} has no key {reference.key!r} that can be read")
    return Content(content.data, declaration.content_type or content.content_type)


def pick(found: Object, reference: Reference) -> Content | None:
    """Return the value of one key of a Secret or ConfigMap, or None when it is not there."""
    encoded = found.get("data" if reference.kind is SECRET else "binaryData") or {}
    texts = {} if reference.kind is SECRET else found.get("data") or {}
    if reference.key in texts:
        return Content(texts[reference.key].encode(), _TEXT)
    try:
        return Content(base64.b64decode(encoded[reference.key], validate=True), _BYTES)
    except (KeyError, binascii.Error):
        return None
