"""Where the API server has objects."""

from __future__ import annotations

import pytest

from varflow.errors import ObjectRefused
from varflow_operator.kinds import DEPLOYMENT, INSTANCE, NAMESPACE, POD, Kind
from varflow_operator.transports import Call


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "path"),
    [
        pytest.param(POD, "a", "b", "/api/v1/namespaces/a/pods/b", id="core"),
        pytest.param(
            DEPLOYMENT, "a", "b", "/apis/apps/v1/namespaces/a/deployments/b", id="a-group"
        ),
        pytest.param(POD, "a", "", "/api/v1/namespaces/a/pods", id="all-of-a-namespace"),
        pytest.param(POD, None, "", "/api/v1/pods", id="all"),
        pytest.param(NAMESPACE, None, "a", "/api/v1/namespaces/a", id="cluster-wide"),
        pytest.param(NAMESPACE, "x", "a", "/api/v1/namespaces/a", id="namespace-of-no-meaning"),
        pytest.param(POD, "a", "../b?c", "/api/v1/namespaces/a/pods/..%2Fb%3Fc", id="quoted"),
    ],
)
def test_path_of_a_kind(kind: Kind, namespace: str | None, name: str, path: str) -> None:
    assert kind.path(namespace, name) == path


def test_path_of_a_status() -> None:
    path = "/apis/varflow.dev/v1alpha1/namespaces/a/workflowinstances/b/status"

    assert INSTANCE.path("a", "b", subresource="status") == path


@pytest.mark.parametrize(
    ("namespace", "name"),
    [
        pytest.param("a", "", id="no-name"),
        pytest.param("", "b", id="no-namespace"),
        pytest.param(None, "b", id="namespace-not-given"),
        pytest.param("a", "b/status", id="more-than-a-name"),
    ],
)
def test_a_request_for_one_object_never_means_others(namespace: str | None, name: str) -> None:
    call = Call(verb="delete", method="DELETE", kind=POD, namespace=namespace, name=name)

    with pytest.raises(ObjectRefused, match="one name and one namespace"):
        _ = call.path
