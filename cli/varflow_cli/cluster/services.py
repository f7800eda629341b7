"""Which pod stands behind a Service's address, for whoever is not in the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from varflow.errors import ClusterUnavailable, ObjectNotFound
from varflow_cli.cluster.port_forwarding import Target
from varflow_operator import names
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import POD, Kind, Object

SERVICE: Final = Kind("", "v1", "Service", "services")


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """A Service, and one of its ports."""

    namespace: str
    name: str
    port: int

    @classmethod
    def parse(cls, host: str, port: int) -> Self | None:
        """Return the Service that a host name of a cluster's DNS means, or None for other hosts."""
        match host.split("."):
            case [name, namespace, "svc", *_] if name and namespace:
                return cls(namespace, name, port)
        return None


async def find_target(cluster: Cluster, address: ServiceAddress) -> Target:
    """Return a pod that answers for the Service now.

    Raises:
        ObjectNotFound: there is no such Service, or it has no such port.
        ClusterUnavailable: no pod of it is ready.
        ClusterError: the cluster does not say.
    """
    service = await cluster.get(SERVICE, address.namespace, address.name)
    shown = SERVICE.shown(address.namespace, address.name)
    target = _target_port(service, address.port)
    if target is None:
        raise ObjectNotFound(f"{shown} has no port {address.port}")
    labels = names.selector(service["spec"].get("selector") or {})
    if labels:
        async for pod in cluster.list(POD, address.namespace, labels=labels):
            port = _port(pod, target)
            if is_ready(pod) and port is not None:
                name = pod["metadata"]["name"]
                return Target(namespace=address.namespace, pod=name, port=port)
    raise ClusterUnavailable(f"{shown} has no ready pod")


def is_ready(pod: Object) -> bool:
    """Tell whether a pod takes connections. PURE."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    if "deletionTimestamp" in pod["metadata"]:
        return False
    return any(it["type"] == "Ready" and it["status"] == "True" for it in conditions)


def _target_port(service: Object, port: int) -> int | str | None:
    for entry in service["spec"].get("ports") or []:
        if entry["port"] == port:
            found: int | str = entry.get("targetPort") or port
            return found
    return None


def _port(pod: Object, target: int | str) -> int | None:
    """Return the number of a port that a Service may know by its name."""
    if isinstance(target, int):
        return target
    return next((number for name, number in _named_ports(pod) if name == target), None)


def _named_ports(pod: Object) -> Iterator[tuple[str, int]]:
    spec = pod["spec"]
    for container in [*spec["containers"], *(spec.get("initContainers") or [])]:
        for entry in container.get("ports") or []:
            yield entry.get("name") or "", entry["containerPort"]
