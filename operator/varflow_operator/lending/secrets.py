"""The Secret of a namespace with the credentials that its sidecars have borrowed. PURE."""

from __future__ import annotations

import base64
import binascii

from varflow.errors import InvalidMessage
from varflow.variables.stores.credentials import LentCredentials
from varflow_operator import names
from varflow_operator.kinds import SECRET, Object


def write(namespace: str, lent: LentCredentials, *, mark: str) -> Object:
    """Return the Secret.

    Args:
        namespace: the namespace's name.
        lent: what it holds.
        mark: changes with what they are good for.
    """
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.name,
        "metadata": {
            "namespace": namespace,
            "name": names.STORE_SECRET,
            "labels": names.labels(names.Component.STORE),
            "annotations": {names.ANNOTATION_LIMITS: mark},
        },
        "type": "Opaque",
        "data": {names.CREDENTIALS_KEY: base64.b64encode(lent.encode()).decode()},
    }


def is_ours(secret: Object) -> bool:
    """Tell whether it is one that we made."""
    labels = secret["metadata"].get("labels") or {}
    return bool(labels.get(names.LABEL_MANAGER) == names.MANAGER)


def find(secret: Object, *, mark: str) -> LentCredentials | None:
    """Return what it holds; None when that cannot be read, or is good for something else."""
    if (secret["metadata"].get("annotations") or {}).get(names.ANNOTATION_LIMITS) != mark:
        return None
    text = (secret.get("data") or {}).get(names.CREDENTIALS_KEY, "")
    try:
        return LentCredentials.decode(base64.b64decode(text))
    except (binascii.Error, InvalidMessage):
        return None
