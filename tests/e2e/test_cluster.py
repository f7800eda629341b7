"""The cluster that other tests stand on: what Varflow takes for granted of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.cluster.kubectl import Kubectl

IMAGE = "localhost:5000/echo:v1"

SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "fsGroup": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture
def here(kubectl: Kubectl, namespace: str) -> Kubectl:
    """Calls in the test's namespace."""
    return kubectl.in_namespace(namespace)


def container(name: str, *program: str, **fields: Any) -> dict[str, Any]:
    """Return a container with Python; without a program it echoes."""
    return {
        "name": name,
        "image": IMAGE,
        "imagePullPolicy": "Never",
        **({"command": ["python3", "-c", *program]} if program else {}),
        **fields,
    }


def pod(name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """Return a pod with another user than root."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "containers": list(containers),
            "securityContext": SECURITY,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            **spec,
        },
    }


def service(name: str) -> dict[str, Any]:
    """Return a service in front of the pod of the same name."""
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def wait_for_phase(kubectl: Kubectl, name: str, phase: str) -> None:
    """Wait until the pod is in the phase."""
    kubectl("wait", f"--for=jsonpath={{.status.phase}}={phase}", f"pod/{name}", "--timeout=60s")


def test_pod_is_ready_beside_its_native_sidecar(here: Kubectl) -> None:
    probe = {"httpGet": {"port": 9090}, "periodSeconds": 1}
    sidecar = container(
        "sidecar",
        restartPolicy="Always",
        env=[{"name": "PORT", "value": "9090"}],
        startupProbe=probe,
        readinessProbe=probe,
    )
    main = container("main", readinessProbe={**probe, "httpGet": {"port": 8080}})
    here.apply(pod("both", main, initContainers=[sidecar]))

    here("wait", "--for=condition=Ready", "pod/both", "--timeout=60s")

    assert "listening on 8080" in here("logs", "both", "--container=main")
    assert "listening on 9090" in here("logs", "both", "--container=sidecar")


def test_claim_is_bound_and_written_by_another_user_than_root(here: Kubectl) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}
    write = "import os; os.setxattr('/data', 'user.a', b'b'); open('/data/x', 'w').write('x')"
    here.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data"},
            "spec": claim,
        },
        pod(
            "writer",
            container("main", write, volumeMounts=[{"name": "data", "mountPath": "/data"}]),
            volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        ),
    )

    wait_for_phase(here, "writer", "Succeeded")


def asking(url: str) -> str:
    """Return a program that prints what the URL answers, once something does."""
    return (
        "import time, urllib.request\n"
        "for _ in range(300):\n"
        f"    try: print(urllib.request.urlopen('{url}').read()); break\n"
        "    except OSError as error: print(error); time.sleep(0.1)\n"
        "else: raise SystemExit(1)"
    )


def test_service_is_reached_by_its_name(here: Kubectl, namespace: str) -> None:
    here.apply(pod("server", container("main")), service("server"))
    here.apply(pod("asker", container("main", asking(f"http://server.{namespace}.svc/"))))

    wait_for_phase(here, "asker", "Succeeded")

    assert here("logs", "asker").endswith("b'ok'\n")


def test_pod_reaches_the_service_that_it_is_behind_itself(here: Kubectl, namespace: str) -> None:
    here.apply(pod("own", container("main")), service("own"))
    here("wait", "--for=condition=Ready", "pod/own", "--timeout=60s")

    answer = here("exec", "own", "--", "python3", "-c", asking(f"http://own.{namespace}.svc/"))

    assert answer.endswith("b'ok'\n")
