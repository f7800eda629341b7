"""The objects that a workflow has in a cluster, whole, as they are applied. PURE.

All are owned by the Workflow, so that Kubernetes' garbage collector removes them after it: no
finalizer, and nothing of ours has to be running for that.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from varflow.variables.encryption.keyrings import KeyRing
from varflow.variables.encryption.policies import Policy
from varflow.variables.stores.credentials import Credentials
from varflow_operator import names
from varflow_operator.kinds import CONTROLLER_REVISION, DEPLOYMENT, SECRET, WORKFLOW, Kind, Object
from varflow_operator.resources import pods
from varflow_operator.resources.access import Access
from varflow_operator.resources.plans import FunctionPods, Owner
from varflow_operator.resources.pods import SidecarImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What all workflows of an operator have in common."""

    sidecar: SidecarImage
    store: str
    """URL of the store, as sidecars reach it; may hold credentials, so it is kept secret."""
    credentials: Credentials | None = None
    encryption: Policy = Policy.OFF

    def access(self, token: str, keys: KeyRing | None = None, *, is_lent: bool = False) -> Access:
        """Return what the sidecars of the workflow with this token need."""
        return Access(
            token=token,
            store=self.store,
            credentials=self.credentials,
            is_lent=is_lent,
            keys=keys,
        )


def secret(owner: Owner, access: Access) -> Object:
    """Return the Secret of a workflow's sidecars.

    Its values are `data`, not `stringData`: of the latter the API server keeps no note who set it,
    and a key that is left out later would stay.
    """
    data = {
        name: base64.b64encode(value.encode()).decode() for name, value in access.environ().items()
    }
    return {
        **_head(SECRET, owner, names.sidecar_secret(owner.name)),
        "type": "Opaque",
        "data": data,
    }


def deployment(function: FunctionPods, platform: Platform, access: Access) -> Object:
    """Return the Deployment of one function spec; how many pods it has is the scaler's to say."""
    head = _head(DEPLOYMENT, function.owner, function.deployment)
    head["metadata"]["labels"] = function.labels
    return {
        **head,
        "spec": {
            "selector": {"matchLabels": function.selector},
            "revisionHistoryLimit": 1,
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0},
            },
            "template": pods.template(
                function, platform.sidecar, access, encryption=platform.encryption
            ),
        },
    }


def revision(owner: Owner, revision: str, spec: Mapping[str, Any], *, number: int) -> Object:
    """Return the ControllerRevision that keeps a spec for the instances that began with it.

    Args:
        owner: the Workflow.
        revision: the spec's hash.
        spec: as the API server has it.
        number: grows with every change of the Workflow, and says which revisions are new.
    """
    return {
        **_head(CONTROLLER_REVISION, owner, names.revision(owner.name, revision)),
        "data": {"spec": dict(spec)},
        "revision": number,
    }


def _head(kind: Kind, owner: Owner, name: str) -> Object:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {
            "name": name,
            "namespace": owner.namespace,
            "labels": names.workflow_labels(owner.name, owner.uid, names.Component.FUNCTION),
            "ownerReferences": [{**WORKFLOW.reference(owner.name, owner.uid), "controller": True}],
        },
    }
