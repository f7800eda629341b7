"""Every name that Varflow gives in a cluster, and every word of its labels and conditions. PURE.

Others ask here and spell nothing themselves, so that what one part writes the others find. Names
made from those of users are cut where the API server would refuse them; what is cut off goes into a
hash, so that two owners never share an object.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from varflow_operator.kinds import GROUP

MANAGER: Final = "varflow-operator"
"""The operator as field manager, as the value of `managed-by`, and as the reporter of events."""
LEASE: Final = "varflow-operator"
OPERATOR_SECRET: Final = "varflow-operator"
"""In the operator's namespace: what it keeps for itself."""
TOKEN_KEY: Final = "token-key"
"""In the operator's Secret: the key of which all tokens are made."""
ENCRYPTION_SECRET: Final = "varflow-encryption"
"""In a user's namespace: the keys that its variables are encrypted with."""
KEYS_KEY: Final = "keys"
"""In that Secret: the keys, as `KeyRing.encode` writes them."""
STORE_SECRET: Final = "varflow-store-access"
"""In a user's namespace: the store's credentials that are lent to its sidecars."""
CREDENTIALS_KEY: Final = "credentials.json"
"""In that Secret: the credentials, as `LentCredentials.encode` writes them."""
ACTION_SECRETS: Final = "varflow-secrets"
"""In a user's namespace: the values that actions may name as `secrets`."""

FUNCTION_CONTAINER: Final = "function"
SIDECAR_CONTAINER: Final = "varflow-sidecar"

# Labels and annotations

LABEL_NAME: Final = "app.kubernetes.io/name"
LABEL_MANAGER: Final = "app.kubernetes.io/managed-by"
LABEL_COMPONENT: Final = "app.kubernetes.io/component"
LABEL_WORKFLOW: Final = f"{GROUP}/workflow"
LABEL_WORKFLOW_UID: Final = f"{GROUP}/workflow-uid"
LABEL_FUNCTION: Final = f"{GROUP}/function"
LABEL_SPEC: Final = f"{GROUP}/spec"
ANNOTATION_ACCESS: Final = f"{GROUP}/access"
"""On a pod: changes with token, credentials and keys, so that new ones reach every sidecar."""
ANNOTATION_LIMITS: Final = f"{GROUP}/limits"
"""On a Secret with lent credentials: changes with what they are good for."""
ANNOTATION_CANCELLED_BY: Final = f"{GROUP}/cancelled-by"
"""On a subflow's instance: the one that started it has cancelled it, and nobody else."""


class Component(StrEnum):
    """What an object is part of."""

    FUNCTION = "function"
    STORE = "store"
    OPERATOR = "operator"
    SETTINGS = "settings"
    ENCRYPTION = "encryption"


class ConditionType(StrEnum):
    """The conditions; kstatus reads the first three, `kubectl wait` all."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    SUCCEEDED = "Succeeded"
    COMPLETED = "Completed"


class Reason(StrEnum):
    """Why a condition is as it is: a closed list, which programs may match."""

    ACCEPTED = "Accepted"
    """A workflow's function pods are as its spec says."""
    STORED = "Stored"
    """A variable's value is in the store."""
    KEPT = "Kept"
    """A variable is there already, and `overwrite: Never` leaves it."""
    INVALID_SPEC = "InvalidSpec"
    """The spec cannot be accepted; the message has every fault."""
    NOT_SUPPORTED = "NotSupported"
    """The spec is right, and holds what this version cannot run yet."""
    NAME_TAKEN = "NameTaken"
    """An object that is not ours has the name that we need."""
    REFUSED = "Refused"
    """The API server does not take an object that the spec leads to."""
    WORKFLOW_NOT_FOUND = "WorkflowNotFound"
    SOURCE_NOT_FOUND = "SourceNotFound"
    """The Secret or ConfigMap of `valueFrom`, or its key, is not there."""
    ENCRYPTION_KEY_MISSING = "EncryptionKeyMissing"
    """The namespace's keys are lost, or cannot be read as keys."""
    CREDENTIALS_NOT_LIMITED = "CredentialsNotLimited"
    """The store lends no credentials that are good for one namespace alone."""
    ENCRYPTION_OFF = "EncryptionOff"
    """A value out of a Secret, and nothing is encrypted in this cluster."""
    TOO_LARGE = "TooLarge"
    STORE_FAILED = "StoreFailed"
    """The store cannot be used as it is; trying again alone does not help."""
    STORE_UNAVAILABLE = "StoreUnavailable"
    CLUSTER_UNAVAILABLE = "ClusterUnavailable"
    PENDING = "Pending"
    """An instance waits for something."""
    STARTED = "Started"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CRASHED = "Crashed"
    CANCELLED = "Cancelled"


# Objects

_DEPLOYMENT_LENGTH: Final = 52
"""So that a pod's name, 11 characters longer, is a host name."""
_OBJECT_LENGTH: Final = 253
_LABEL_LENGTH: Final = 63
_SECRET_SUFFIX: Final = "-varflow"
_HASH_LENGTH: Final = 10
_CHILD_LENGTH: Final = 63
"""Subflows of subflows keep a name that a table has room for."""
_CHILD_HASH_LENGTH: Final = 16
"""A loop may have many thousands, and none may be taken for another."""
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", re.ASCII)
_NOT_IN_LABEL: Final = re.compile(r"[^A-Za-z0-9_.-]+", re.ASCII)
_NOT_IN_HOST: Final = re.compile(r"[^a-z0-9]+", re.ASCII)


def deployment(workflow: str, *, uid: str, function: str, spec: str) -> str:
    """Return the name of the Deployment of one function spec of one workflow.

    Args:
        workflow: The workflow's name.
        uid: The workflow's UID: a successor of the same name gets Deployments of its own, since
            their selectors cannot change.
        function: The function's id.
        spec: Hash of what the function's pods are made from.
    """
    suffix = _hash(uid, function, spec)[:8]
    room = _DEPLOYMENT_LENGTH - len(suffix) - 2
    first, second = _slug(workflow), _slug(function)
    second = second[: max(room // 2, room - len(first))].strip("-")
    first = first[: room - len(second)].strip("-")
    return f"{first}-{second}-{suffix}"


def sidecar_secret(workflow: str) -> str:
    """Return the name of the Secret that a workflow's sidecars read."""
    return _shortened(workflow, room=_OBJECT_LENGTH - len(_SECRET_SUFFIX)) + _SECRET_SUFFIX


_OWN_SECRETS: Final = frozenset({OPERATOR_SECRET, ENCRYPTION_SECRET, STORE_SECRET})


def is_reserved_secret(name: str) -> bool:
    """Tell whether a Secret may be Varflow's own, which no function and no value may read."""
    return name.endswith(_SECRET_SUFFIX) or name in _OWN_SECRETS


def revision(workflow: str, revision: str) -> str:
    """Return the name of the ControllerRevision that keeps one revision of a workflow."""
    return f"{_shortened(workflow, room=_OBJECT_LENGTH - len(revision) - 1)}-{revision}"


def child_instance(parent: str, *, uid: str, action_id: str) -> str:
    """Return the name of the instance that a subflow runs as.

    It says nothing of the workflow: who stops a subflow knows no more than this.

    Args:
        parent: name of the instance that calls it.
        uid: that instance's UID.
        action_id: the call's.
    """
    suffix = _hash(uid, action_id)[:_CHILD_HASH_LENGTH]
    return f"{_shortened(parent, room=_CHILD_LENGTH - len(suffix) - 1)}-{suffix}"


# Labels


def label_value(text: str) -> str:
    """Return `text` as a label's value: itself, if it can be one."""
    if not text or _LABEL_VALUE.fullmatch(text):
        return text
    room = _LABEL_LENGTH - _HASH_LENGTH - 1
    readable = _NOT_IN_LABEL.sub("-", text)[:room].strip("-_.") or "x"
    return f"{readable}-{_hash(text)[:_HASH_LENGTH]}"


def labels(component: Component) -> dict[str, str]:
    """Return the labels of an object that the operator makes."""
    return {LABEL_NAME: "varflow", LABEL_MANAGER: MANAGER, LABEL_COMPONENT: component}


def workflow_labels(workflow: str, uid: str, component: Component) -> dict[str, str]:
    """Return the labels of an object that belongs to a workflow."""
    return {
        **labels(component),
        LABEL_WORKFLOW: label_value(workflow),
        LABEL_WORKFLOW_UID: uid,
    }


def function_labels(function: str, spec: str) -> dict[str, str]:
    """Return the labels that tell the pods of one function spec from the workflow's others."""
    return {LABEL_FUNCTION: label_value(function), LABEL_SPEC: spec}


def selector(wanted: Mapping[str, str]) -> str:
    """Return labels as the API's `labelSelector`."""
    return ",".join(f"{name}={value}" for name, value in sorted(wanted.items()))


def _slug(text: str) -> str:
    return _NOT_IN_HOST.sub("-", text.lower()).strip("-") or "x"


def _shortened(name: str, *, room: int) -> str:
    """Return an object's name, cut to `room` with a hash of the whole if it is longer."""
    if len(name) <= room:
        return name
    return f"{name[: room - _HASH_LENGTH - 1].strip('-.')}-{_hash(name)[:_HASH_LENGTH]}"


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()
