"""The API server that other tests stand on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.cluster.control_plane import ApiServer
from tests.support.cluster.kubectl import CallFailed, Kubectl


def config_map(name: str, *, owner: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return an object, owned by another one or by nobody."""
    reference = owner and {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    metadata = {"name": name, "ownerReferences": [reference] if reference else []}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def test_namespaces_do_not_share_objects(kubectl: Kubectl, namespace: str) -> None:
    kubectl.in_namespace(namespace).apply(config_map("mine"))

    with pytest.raises(CallFailed, match="not found"):
        kubectl.get("configmap", "mine")


def test_what_is_owned_ends_with_its_owner(
    kubectl: Kubectl, namespace: str, controllers: None
) -> None:
    here = kubectl.in_namespace(namespace)
    here.apply(config_map("owner"))
    here.apply(config_map("owned", owner=here.get("configmap", "owner")))

    here("delete", "configmap", "owner", "--wait=false")

    here("wait", "--for=delete", "configmap/owned", "--timeout=60s")


def test_stranger_is_refused(kubectl: Kubectl, api_server: ApiServer) -> None:
    stranger = "--token=not-the-administrators"

    with pytest.raises(CallFailed, match=r"provide credentials|Unauthorized"):
        kubectl(
            "get",
            "namespaces",
            "--kubeconfig=/dev/null",
            f"--server={api_server.url}",
            f"--certificate-authority={api_server.certificates}",
            stranger,
        )
