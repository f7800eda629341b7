"""What the chart lets the operator do, and users with the roles that they have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.charts import Helm, of_kind
from tests.support.cluster.kubectl import CallFailed, Kubectl

KINDS: list[tuple[str, ...]] = [
    ("varflow.dev", kind) for kind in ("workflows", "variables", "workflowinstances")
]
WHERE_WORKFLOWS_ARE: dict[tuple[str, ...], str] = {
    ("varflow.dev", "workflows"): "get list patch watch",
    ("varflow.dev", "variables"): "get list patch watch",
    ("varflow.dev", "workflowinstances"): "create get list patch watch",
    ("varflow.dev", "workflows/status"): "patch update",
    ("varflow.dev", "variables/status"): "patch update",
    ("varflow.dev", "workflowinstances/status"): "patch update",
    ("apps", "deployments"): "create delete get list patch watch",
    ("apps", "controllerrevisions"): "create delete get list patch",
    ("", "pods"): "get list watch",
    ("", "secrets"): "create delete get patch",
    ("", "configmaps"): "get",
    ("events.k8s.io", "events"): "create patch",
}
"""What the operator may do. A line that is added here is said in docs/install.md, too."""


def rights(role: dict[str, Any]) -> dict[tuple[str, ...], str]:
    """Return the verbs by group, resource and names of objects."""
    found: dict[tuple[str, ...], set[str]] = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                key = (group, resource, *rule.get("resourceNames", ()))
                found.setdefault(key, set()).update(rule["verbs"])
    return {key: " ".join(sorted(verbs)) for key, verbs in found.items()}


def test_operator_has_exactly_these_rights(helm: Helm) -> None:
    roles = of_kind(helm.objects(), "ClusterRole")
    granted = rights(roles["varflow-system-varflow-operator"])

    assert granted == {**WHERE_WORKFLOWS_ARE, ("", "namespaces"): "get list watch"}


def test_operator_has_exactly_these_rights_in_its_own_namespace(helm: Helm) -> None:
    roles = of_kind(helm.objects(), "Role")

    assert {name: rights(role) for name, role in roles.items()} == {
        "varflow-operator": {
            ("coordination.k8s.io", "leases"): "create",
            ("coordination.k8s.io", "leases", "varflow-operator"): "get patch update",
            ("", "secrets"): "create",
            ("", "secrets", "varflow-operator", "varflow-s3"): "get patch",
        }
    }


def labels(obj: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = obj["metadata"]["labels"]
    return found


def test_users_get_the_kinds_with_the_roles_that_they_have(helm: Helm) -> None:
    roles = of_kind(helm.objects(), "ClusterRole")
    view, edit = roles["varflow-system-varflow-view"], roles["varflow-system-varflow-edit"]
    group = "rbac.authorization.k8s.io/aggregate-to-"

    assert rights(view) == dict.fromkeys(KINDS, "get list watch")
    assert rights(edit) == dict.fromkeys(KINDS, "create delete deletecollection patch update")
    assert {f"{group}{role}" for role in ("view", "edit", "admin")} <= set(labels(view))
    assert f"{group}edit" in labels(edit)
    assert f"{group}view" not in labels(edit)


def test_named_namespaces_need_no_rights_in_others(helm: Helm) -> None:
    objects = helm.objects('watchNamespaces=["a", "b"]')
    roles = {
        (role["metadata"]["namespace"], role["metadata"]["name"]): rights(role)
        for role in objects
        if role["kind"] == "Role"
    }

    assert of_kind(objects, "ClusterRole") == of_kind(objects, "ClusterRoleBinding") == {}
    assert {place for place, _ in roles} == {"varflow-system", "a", "b", "kube-system"}
    for place in "ab":
        expected = {**WHERE_WORKFLOWS_ARE, ("", "namespaces", place): "get"}
        assert roles[place, "varflow-operator-workflows"] == expected
    assert roles["kube-system", "varflow-system-varflow-operator"] == {
        ("", "namespaces", "kube-system"): "get"
    }


@pytest.mark.parametrize("values", [(), ('watchNamespaces=["a"]',)], ids=["all", "named"])
def test_no_role_has_a_wildcard(helm: Helm, values: tuple[str, ...]) -> None:
    roles = [it for it in helm.objects(*values) if it["kind"] in {"Role", "ClusterRole"}]

    assert roles
    assert "*" not in json.dumps([role["rules"] for role in roles])


def test_operator_reads_the_namespaces_that_it_serves_and_no_others(
    helm: Helm, kubectl: Kubectl, namespace: str
) -> None:
    value = f'watchNamespaces=["{namespace}"]'
    objects = [
        it
        for it in helm.objects(value, 'fullnameOverride="of-test"', namespace=namespace)
        if it["kind"] in {"Role", "RoleBinding"}
    ]
    kubectl.apply(*objects)
    operator = f"--as=system:serviceaccount:{namespace}:of-test-operator"

    assert kubectl("get", "namespace", namespace, operator)
    assert kubectl("get", "namespace", "kube-system", operator)
    kubectl("get", "pods", "-n", namespace, operator)
    with pytest.raises(CallFailed, match="orbidden"):
        kubectl("get", "namespace", "default", operator)
    with pytest.raises(CallFailed, match="orbidden"):
        kubectl("get", "secrets", "-n", namespace, operator)
