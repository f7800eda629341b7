"""Over a store that lends credentials, sidecars get those of their own namespace, and no others."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support import installation
from tests.support.charts import CHART
from tests.support.cluster import images
from tests.support.cluster.kubectl import Kubectl
from tests.support.cluster.targets import Target
from tests.support.cluster_runs import apply_workflow, output_of, uid
from tests.support.installation import BUCKET, Installation, forwarded
from varflow_operator import names

PORT = 9000
COUNTING = {"id": "f", "image": "localhost:5000/counting:v1"}
STATES = [{"id": "work", "type": "action", "action": {"function": "f", "input": {"key": "k"}}}]


@pytest.fixture
def minio(cluster: Target, varflow: Installation, namespace: str) -> Iterator[str]:
    """A MinIO that the installation uses as long as the test lasts; its namespace."""
    keys = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe()}
    here = cluster.kubectl.in_namespace(namespace)
    here.apply(
        make("Service", spec={"selector": {"app": "minio"}, "ports": [{"port": PORT}]}),
        make("Pod", labels={"app": "minio"}, spec=pod_spec(keys)),
    )
    varflow.kubectl.apply(make("Secret", stringData=keys))
    here("wait", "--for=condition=Ready", "pod/minio", "--timeout=60s")
    try:
        installation.helm(cluster, "upgrade", "varflow", CHART, "--wait", *settings(namespace))
        yield namespace
    finally:
        # The embedded server comes back over the claim that was kept.
        installation.helm(cluster, "upgrade", "varflow", CHART, "--wait", "--reset-values")
        varflow.kubectl("delete", "secret", "minio")


def settings(namespace: str) -> list[str]:
    endpoint = f"http://minio.{namespace}.svc:{PORT}"
    s3 = {"bucket": BUCKET, "endpoint": endpoint, "createBucket": "true", "existingSecret": "minio"}
    given = [f"--set=store.s3.{name}={value}" for name, value in s3.items()]
    return [*given, "--set=store.embedded.enabled=false"]


def make(kind: str, *, labels: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    metadata = {"name": "minio", "labels": labels or {}}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **fields}


def pod_spec(keys: dict[str, str]) -> dict[str, Any]:
    environ = {
        "MINIO_ROOT_USER": keys["AWS_ACCESS_KEY_ID"],
        "MINIO_ROOT_PASSWORD": keys["AWS_SECRET_ACCESS_KEY"],
        "HOME": "/data",
    }
    server = {
        "name": "minio",
        "image": images.MINIO,
        "imagePullPolicy": "Never",
        "args": ["server", "--quiet", f"--address=:{PORT}", "/data"],
        "env": [{"name": name, "value": value} for name, value in environ.items()],
        "readinessProbe": {
            "httpGet": {"path": "/minio/health/ready", "port": PORT},
            "periodSeconds": 1,
        },
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    return {
        "containers": [server],
        "securityContext": {"runAsUser": 65532, "fsGroup": 65532},
        "terminationGracePeriodSeconds": 0,
        "volumes": [{"name": "data", "emptyDir": {}}],
    }


@pytest.fixture
def other(kubectl: Kubectl) -> Iterator[str]:
    """Another namespace."""
    with kubectl.new_namespace() as name:
        yield name


def lent(here: Kubectl) -> dict[str, str]:
    """Return the credentials that a namespace's sidecars have."""
    secret = here.get("secret", names.STORE_SECRET)
    found: dict[str, str] = json.loads(base64.b64decode(secret["data"][names.CREDENTIALS_KEY]))
    return found


def list_objects(port: int, credentials: dict[str, str], prefix: str) -> list[str]:
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    try:
        found = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    finally:
        client.close()
    return [entry["Key"] for entry in found.get("Contents", ())]


def test_each_namespace_has_credentials_for_itself_alone(
    kubectl: Kubectl, minio: str, other: str
) -> None:
    places = [kubectl.in_namespace(name) for name in (minio, other)]
    for here in places:
        apply_workflow(here, "counting", functions=[COUNTING], states=STATES)
        assert output_of(here, "counting")["return"]["calls"] == 1
    cluster = uid(kubectl, "namespace", "kube-system")
    mine, others = (f"v1/{cluster}/{uid(kubectl, 'namespace', name)}/" for name in (minio, other))

    with forwarded(places[0], "minio", PORT) as port:
        assert list_objects(port, lent(places[0]), mine)
        assert list_objects(port, lent(places[1]), others)
        with pytest.raises(ClientError, match="AccessDenied"):
            list_objects(port, lent(places[0]), others)

    (pod,) = places[0].get("pods", f"--selector={names.LABEL_FUNCTION}=f")["items"]
    (sidecar,), (function,) = pod["spec"]["initContainers"], pod["spec"]["containers"]
    assert "AWS_SECRET_ACCESS_KEY" not in {it["name"] for it in sidecar["env"]}
    assert "store" in {it["name"] for it in sidecar["volumeMounts"]}
    assert "store" not in {it["name"] for it in function["volumeMounts"]}
