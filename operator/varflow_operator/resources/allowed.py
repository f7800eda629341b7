"""What a function may say about its pods. PURE.

`functions[].pod`, `env`, `envFrom` and `resources` are users' values, and whoever may write a
Workflow need not be one who may create pods. The language (`varflow.language.pods`) checks them and
leaves them as they were written, so they pass through the shapes below once more: the builder of
pods uses nothing but what is kept, whether or not anybody looked at the faults. What only an
operator knows, such as which Secrets are Varflow's own, is found here alone.

Not here, for good: volumes, host namespaces and ports, privileges, capabilities, a shared process
namespace, probes and hooks, other containers. Tokens of service accounts are never mounted, so the
account counts for pulling images and for the identity that a cloud gives its pods.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from varflow.language.expressions import Fault, Path
from varflow.language.workflow import ContainerFunction
from varflow_operator import names
from varflow_operator.kinds import GROUP
from varflow_operator.resources import shapes
from varflow_operator.resources.shapes import Shape, listing, mapping, one_of, table, text, whole

_GUARDED_DOMAINS: Final = ("kubernetes.io", "k8s.io", GROUP)
"""Annotations below `kubernetes.io` can loosen a pod's confinement; ours say what it is."""


def _secret_name(value: Any, path: Path, faults: list[Fault]) -> Any:
    if isinstance(value, str) and names.is_reserved_secret(value):
        return shapes.drop(path, faults, f"the Secret {value!r} is Varflow's own")
    return text(value, path, faults)


def _metadata_name(value: Any, path: Path, faults: list[Fault]) -> Any:
    domain = value.partition("/")[0] if isinstance(value, str) and "/" in value else ""
    if any(domain == it or domain.endswith(f".{it}") for it in _GUARDED_DOMAINS):
        return shapes.drop(path, faults, f"names below {domain} are not for workflows to set")
    return text(value, path, faults)


def _quantity(value: Any, path: Path, faults: list[Fault]) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return text(value, path, faults)


def _secret(fields: Mapping[str, Shape]) -> Shape:
    return mapping({"name": _secret_name, **fields, "optional": shapes.truth})


def _config_map(fields: Mapping[str, Shape]) -> Shape:
    return mapping({"name": text, **fields, "optional": shapes.truth})


_QUANTITIES: Final = table(text, _quantity)
_RESOURCES: Final = mapping({"limits": _QUANTITIES, "requests": _QUANTITIES})
_SOURCE: Final = one_of(
    secretKeyRef=_secret({"key": text}),
    configMapKeyRef=_config_map({"key": text}),
    fieldRef=mapping({"fieldPath": text}),
    resourceFieldRef=mapping({"containerName": text, "resource": text, "divisor": _quantity}),
)
_ENV: Final = listing(mapping({"name": text, "value": text, "valueFrom": _SOURCE}))
_ENV_FROM: Final = listing(
    mapping({"prefix": text, "secretRef": _secret({}), "configMapRef": _config_map({})})
)
_TOLERATION: Final = mapping(
    {
        "key": text,
        "operator": text,
        "value": text,
        "effect": text,
        "tolerationSeconds": whole(least=0),
    }
)
_USER: Final = mapping(
    {
        "runAsUser": whole(least=1),
        "runAsGroup": whole(least=1),
        "fsGroup": whole(least=1),
        "supplementalGroups": listing(whole(least=1)),
    }
)
_POD: Final = mapping(
    {
        "labels": table(_metadata_name, text),
        "annotations": table(_metadata_name, text),
        "nodeSelector": table(text, text),
        "tolerations": listing(_TOLERATION),
        "affinity": mapping(
            {
                "nodeAffinity": shapes.plain,
                "podAffinity": shapes.plain,
                "podAntiAffinity": shapes.plain,
            }
        ),
        "topologySpreadConstraints": listing(shapes.plain),
        "serviceAccountName": text,
        "imagePullPolicy": text,
        "imagePullSecrets": listing(mapping({"name": _secret_name})),
        "priorityClassName": text,
        "runtimeClassName": text,
        "securityContext": _USER,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What of a function's own words goes into its pods."""

    env: list[dict[str, Any]]
    env_from: list[dict[str, Any]]
    resources: dict[str, Any]
    pod: dict[str, Any]
    faults: tuple[Fault, ...]
    """What does not; places are those in the function."""


def of(function: ContainerFunction) -> Allowed:
    """Return what a function may say, and what it may not."""
    faults: list[Fault] = []

    def keep(shape: Shape, value: Any, name: str, otherwise: Any) -> Any:
        kept = shape(value, (name,), faults) if value is not None else otherwise
        return otherwise if kept is shapes.DROPPED else kept

    return Allowed(
        env=keep(_ENV, function.env, "env", []),
        env_from=keep(_ENV_FROM, function.envFrom, "envFrom", []),
        resources=keep(_RESOURCES, function.resources, "resources", {}),
        pod=keep(_POD, function.pod, "pod", {}),
        faults=tuple(faults),
    )
