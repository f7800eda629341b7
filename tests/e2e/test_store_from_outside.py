"""`varflow var -k` reaches a store that only the cluster knows, through the API server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import operating
from tests.support.cluster import places
from tests.support.cluster.kubectl import Kubectl
from tests.support.runs import Caller

KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "of-the-tests"}


@pytest.fixture
def caller(kubectl: Kubectl, namespace: str, tmp_path: Path) -> Caller:
    """Somebody outside of the cluster who is logged in."""
    environ = {"KUBECONFIG": str(kubectl.kubeconfig), "VARFLOW_SYSTEM_NAMESPACE": namespace}
    return Caller(tmp_path, environ)


@pytest.fixture
def store(kubectl: Kubectl, namespace: str) -> None:
    """An S3 server with a bucket, and the settings that an installation leaves."""
    url = f"s3://varflow?endpoint=http://varflow-s3.{namespace}.svc:7070&region=us-east-1"
    port = {"port": 7070, "targetPort": "s3"}
    here = kubectl.in_namespace(namespace)
    here.apply(
        operating.settings(url, secret="varflow-s3"),
        make("Secret", "varflow-s3", {"stringData": KEYS}),
        make("Service", "varflow-s3", {"spec": {"selector": {"app": "s3"}, "ports": [port]}}),
        make("Pod", "s3", {"spec": pod_spec()}, labels={"app": "s3"}),
    )
    here("wait", "--for=condition=Ready", "pod/s3", "--timeout=60s")


def make(kind: str, name: str, fields: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **metadata}, **fields}


def pod_spec() -> dict[str, Any]:
    values = yaml.safe_load((places.ROOT / "charts/varflow/values.yaml").read_text())
    image = values["store"]["embedded"]["image"]
    mounts = [{"name": "data", "mountPath": "/data"}]
    bucket = {
        "name": "bucket",
        "image": "localhost:5000/echo:v1",
        "imagePullPolicy": "Never",
        "command": ["python3", "-c", "import os; os.mkdir('/data/varflow')"],
        "volumeMounts": mounts,
    }
    server = {
        "name": "s3",
        "image": f"{image['registry']}/{image['repository']}:{image['tag']}",
        "imagePullPolicy": "Never",
        "args": ["--port", ":7170", "posix", "/data"],
        "env": [
            {"name": "ROOT_ACCESS_KEY_ID", "value": KEYS["AWS_ACCESS_KEY_ID"]},
            {"name": "ROOT_SECRET_ACCESS_KEY", "value": KEYS["AWS_SECRET_ACCESS_KEY"]},
        ],
        "ports": [{"name": "s3", "containerPort": 7170}],
        "readinessProbe": {"tcpSocket": {"port": "s3"}, "periodSeconds": 1},
        "volumeMounts": mounts,
    }
    return {
        "initContainers": [bucket],
        "containers": [server],
        "securityContext": {"runAsUser": 65532, "fsGroup": 65532},
        "terminationGracePeriodSeconds": 0,
        "volumes": [{"name": "data", "emptyDir": {}}],
    }


def test_a_variable_goes_in_and_comes_out(caller: Caller, store: None, namespace: str) -> None:
    data = os.urandom(24 * 1024 * 1024)

    written = caller.call("var", "set", "-k", "-n", namespace, "k", stdin=data)
    read = caller.call("var", "get", "-k", "-n", namespace, "k")

    assert written.exit_code == 0, written.log
    assert read.exit_code == 0, read.log
    assert read.stdout == data


def test_a_proxy_does_not_stand_in_the_way(caller: Caller, store: None, namespace: str) -> None:
    ended = caller.call("var", "ls", "-k", "-n", namespace, http_proxy="http://127.0.0.1:1")

    assert ended.exit_code == 0, ended.log


def test_a_store_without_a_pod_is_told(
    caller: Caller, store: None, kubectl: Kubectl, namespace: str
) -> None:
    kubectl.in_namespace(namespace)("delete", "pod", "s3", "--wait")

    ended = caller.call("var", "ls", "-k", "-n", namespace)

    assert ended.exit_code == 6
    assert f"Service {namespace}/varflow-s3 has no ready pod" in ended.log


def test_a_port_that_nobody_listens_on_is_told(
    caller: Caller, store: None, kubectl: Kubectl, namespace: str
) -> None:
    port = '[{"op": "replace", "path": "/spec/ports/0/targetPort", "value": 7171}]'
    here = kubectl.in_namespace(namespace)
    here("patch", "service", "varflow-s3", "--type=json", "--patch", port)

    ended = caller.call("var", "ls", "-k", "-n", namespace)

    assert ended.exit_code == 1
    assert f"port 7171 of Pod {namespace}/s3" in ended.log
    assert "refused" in ended.log
    assert "Traceback" not in ended.log
