"""The pod of a function: the user's container beside Varflow's sidecar. PURE.

    initContainers   varflow-sidecar   a native sidecar: up before the function, stopped after it
    containers       function          the user's image; its own words pass through `allowed`
    volumes          shared            /mnt/shared of both: the actions' temp dirs
                     tmp, sidecar-tmp  /tmp, each container's own
                     store             the sidecar's: credentials that are lent, and renewed there

The template passes the Pod Security Standard *restricted*. What the sidecar keeps from the function
(token, credentials) is in the sidecar's environment and its own volume only: they share no process
namespace, no volume but `shared`, and the pod has no service account token. The function's preStop
hook tells the sidecar to take no new actions and returns when none runs, so that a pod that is
taken away ends its work first. Its key is made from the token and good for nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Final

from varflow import contract
from varflow.contract import SidecarSettings
from varflow.variables.encryption.policies import Policy
from varflow.variables.probe.promises import KEPT, Verdict
from varflow_operator import names
from varflow_operator.kinds import Object
from varflow_operator.resources import allowed
from varflow_operator.resources.access import Access
from varflow_operator.resources.allowed import Allowed
from varflow_operator.resources.plans import FunctionPods

USER: Final = 65532
"""User and group of both containers unless the function says otherwise: `nonroot` of distroless."""
SIZES: Final = {
    "small": {
        "requests": {"cpu": "100m", "memory": "64Mi"},
        "limits": {"cpu": "1", "memory": "512Mi"},
    },
    "medium": {
        "requests": {"cpu": "250m", "memory": "256Mi"},
        "limits": {"cpu": "2", "memory": "1Gi"},
    },
    "large": {
        "requests": {"cpu": "500m", "memory": "512Mi"},
        "limits": {"cpu": "4", "memory": "2Gi"},
    },
}
"""Direktiv's limits of memory; of processors more, since under its quarter of one an interpreter
takes seconds to start."""
_SIDECAR_RESOURCES: Final = {
    "requests": {"cpu": "20m", "memory": "64Mi"},
    "limits": {"memory": "256Mi"},
}
_STARTUP_SECONDS: Final = 60
_PROBE_SECONDS: Final = 5
"""A node under load answers late; that is no reason to break off actions."""
_TAINTS: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_UNREACHABLE_SECONDS: Final = 10
"""How long a pod stays on a node that is away: its actions are given up and done elsewhere."""
_SECRET_SETTINGS: Final = tuple(
    field.metadata["env"] for field in fields(SidecarSettings) if not field.repr
)
"""Environment variables of the sidecar that come from a Secret."""
_TMP: Final = "/tmp"  # noqa: S108  # the mount point in a container
_CONFINED: Final = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarImage:
    """Which sidecar stands beside the functions, and what it is told of the store."""

    name: str
    pull_policy: str = "IfNotPresent"
    verdict: Verdict = KEPT


def template(
    pods: FunctionPods, image: SidecarImage, access: Access, *, encryption: Policy = Policy.OFF
) -> Object:
    """Return the template of a function's pods; of `access` it shows nothing."""
    kept = allowed.of(pods.function)
    return {
        "metadata": {
            "labels": {**kept.pod.get("labels", {}), **pods.labels},
            "annotations": {
                **kept.pod.get("annotations", {}),
                "kubectl.kubernetes.io/default-container": names.FUNCTION_CONTAINER,
                names.ANNOTATION_ACCESS: access.mark(),
            },
        },
        "spec": {
            **_given(kept.pod, _PASSED_ON),
            "tolerations": [*_TOLERATIONS, *kept.pod.get("tolerations", [])],
            "initContainers": [
                {**_sidecar(image, access), "env": _settings(pods, image, access, encryption)}
            ],
            "containers": [_function(pods, kept, access)],
            "volumes": [
                *({"name": name, "emptyDir": {}} for name in ("shared", "tmp", _OWN_TMP)),
                *([_LENT] if access.is_lent else []),
            ],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
                **_given(kept.pod.get("securityContext", {}), ("fsGroup", "supplementalGroups")),
            },
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": pods.grace_seconds,
        },
    }


_OWN_TMP: Final = "sidecar-tmp"
_STORE_DIR: Final = "/var/run/varflow/store"
_LENT: Final = {
    "name": "store",
    "secret": {"secretName": names.STORE_SECRET, "defaultMode": 0o440},
}
_PASSED_ON: Final = (
    "affinity",
    "imagePullSecrets",
    "nodeSelector",
    "priorityClassName",
    "runtimeClassName",
    "serviceAccountName",
    "topologySpreadConstraints",
)
"""Fields of a function's `pod` that are the pod's as they stand."""
_TOLERATIONS: Final = [
    {
        "key": taint,
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": _UNREACHABLE_SECONDS,
    }
    for taint in _TAINTS
]


def _settings(
    pods: FunctionPods, image: SidecarImage, access: Access, encryption: Policy
) -> list[Object]:
    """Return the sidecar's environment."""
    settings = SidecarSettings(
        concurrency=pods.function.concurrency,
        verdict=image.verdict,
        encryption=encryption,
        store_credentials_file=f"{_STORE_DIR}/{names.CREDENTIALS_KEY}" if access.is_lent else "",
    )
    given = [
        {"name": name, "value": value}
        for name, value in settings.encode().items()
        # the API server drops an empty value, and what it has would never be what is wanted
        if value and name not in _SECRET_SETTINGS
    ]
    own = names.sidecar_secret(pods.owner.name)
    hidden = [_from_secret(name, own, name) for name in sorted(access.environ())]
    if access.keys is not None:
        keys = _from_secret("VARFLOW_ENCRYPTION_KEYS", names.ENCRYPTION_SECRET, names.KEYS_KEY)
        hidden.append(keys)
    return [*given, *hidden]


def _from_secret(name: str, secret: str, key: str) -> Object:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _sidecar(image: SidecarImage, access: Access) -> Object:
    lent = [{"name": _LENT["name"], "mountPath": _STORE_DIR, "readOnly": True}]
    return {
        "name": names.SIDECAR_CONTAINER,
        "image": image.name,
        "imagePullPolicy": image.pull_policy,
        "restartPolicy": "Always",
        "ports": [
            {"name": "actions", "containerPort": contract.ACTION_PORT},
            {"name": "metrics", "containerPort": contract.METRICS_PORT},
        ],
        "startupProbe": {
            "httpGet": _health("/healthz"),
            "periodSeconds": 1,
            "failureThreshold": _STARTUP_SECONDS,
        },
        "readinessProbe": {
            "httpGet": _health("/readyz/function"),
            "periodSeconds": 1,
            "timeoutSeconds": _PROBE_SECONDS,
        },
        "livenessProbe": {
            "httpGet": _health("/healthz"),
            "failureThreshold": 6,
            "timeoutSeconds": _PROBE_SECONDS,
        },
        "resources": _SIDECAR_RESOURCES,
        "securityContext": {**_CONFINED, "readOnlyRootFilesystem": True},
        "volumeMounts": [*_mounts(_OWN_TMP), *(lent if access.is_lent else [])],
    }


def _function(pods: FunctionPods, kept: Allowed, access: Access) -> Object:
    function = pods.function
    stop = {"name": contract.HEADER_STOP_KEY, "value": contract.stop_key(access.token)}
    user = _given(kept.pod.get("securityContext", {}), ("runAsUser", "runAsGroup"))
    return {
        "name": names.FUNCTION_CONTAINER,
        "image": function.image,
        **_given(kept.pod, ("imagePullPolicy",)),
        **({"command": list(function.command)} if function.command is not None else {}),
        **({"args": list(function.args)} if function.args is not None else {}),
        "env": _environment(kept.env),
        "envFrom": kept.env_from,
        "resources": kept.resources or SIZES[function.size],
        "lifecycle": {"preStop": {"httpGet": {**_health("/idle"), "httpHeaders": [stop]}}},
        "securityContext": {**_CONFINED, **user},
        "volumeMounts": _mounts("tmp"),
    }


def _environment(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the function's environment: what a local run sets too, unless the function does."""
    ours = {
        "PORT": str(contract.FUNCTION_PORT),
        "VARFLOW_SIDECAR_URL": f"http://127.0.0.1:{contract.VARIABLE_PORT}",
    }
    own = {entry.get("name") for entry in given}
    return [*({"name": name, "value": ours[name]} for name in ours if name not in own), *given]


def _mounts(tmp: str) -> list[Object]:
    return [
        {"name": "shared", "mountPath": contract.SHARED_DIR},
        {"name": tmp, "mountPath": _TMP},
    ]


def _health(path: str) -> Object:
    return {"path": path, "port": contract.METRICS_PORT}


def _given(value: dict[str, Any], wanted: Iterable[str]) -> dict[str, Any]:
    return {name: value[name] for name in wanted if name in value}
