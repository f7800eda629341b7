"""Varflow in a cluster, installed as its users install it, and how tests look into it.

The chart with its default values, the images from `make images`; a plain S3 client reads
the bucket through a port-forward, and the namespaces' Secrets open what it finds.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from tests.support.charts import CHART, SYSTEM
from tests.support.cluster.kubectl import Kubectl
from tests.support.cluster.targets import Target
from varflow.variables import paths
from varflow.variables.encryption import sealing
from varflow.variables.encryption.headers import Header
from varflow.variables.encryption.keyrings import KeyRing
from varflow.variables.stores import s3_keys

INSTALL_SECONDS = 60
BUCKET = "varflow"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Installation:
    """A release, until it is uninstalled."""

    kubectl: Kubectl
    """In the release's namespace."""
    seconds: float
    """From `helm install` until all of it was ready."""


@contextlib.contextmanager
def installed(target: Target, *values: str) -> Iterator[Installation]:
    """Install the chart; values are as in `--set`."""
    started = time.monotonic()
    helm(
        target,
        "install",
        "varflow",
        CHART,
        "--create-namespace",
        "--wait",
        f"--timeout={INSTALL_SECONDS}s",
        *(f"--set={value}" for value in values),
    )
    try:
        yield Installation(target.kubectl.in_namespace(SYSTEM), time.monotonic() - started)
    finally:
        helm(target, "uninstall", "varflow", "--wait")
        target.kubectl("delete", "namespace", SYSTEM)


def helm(target: Target, *words: str | Path) -> str:
    """Call helm on a cluster, in the release's namespace."""
    where = ("--kubeconfig", target.kubectl.kubeconfig, "--namespace", SYSTEM)
    done = subprocess.run(
        [target.helm, *where, *words], capture_output=True, text=True, check=False, timeout=150
    )
    assert done.returncode == 0, f"helm {words[0]}: {done.stderr}"
    return done.stdout


@contextlib.contextmanager
def forwarded(kubectl: Kubectl, service: str, port: int) -> Iterator[int]:
    """Forward a port of this machine to a service as long as the context lasts."""
    command = [
        str(kubectl.program),
        f"--kubeconfig={kubectl.kubeconfig}",
        f"--namespace={kubectl.namespace}",
        "port-forward",
        f"service/{service}",
        f":{port}",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", said)
        assert found, f"port-forward said {said!r}"
        try:
            yield int(found[1])
        finally:
            process.terminate()


class Bucket:
    """The embedded server's bucket, as an S3 client sees it."""

    def __init__(self, client: Any, kubectl: Kubectl) -> None:
        self._client = client
        self._kubectl = kubectl

    def names(self, prefix: str = "") -> list[str]:
        """Return the objects' names."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def read(self, key: str) -> bytes:
        """Return an object, opened with its namespace's keys."""
        data: bytes = self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        path, header = s3_keys.find_path(key), Header.decode(data)
        assert path is not None, key
        assert header is not None, f"{key} is not encrypted"
        found = self._ring_of(paths.namespace_of(path)).find(header.key_id)
        assert found is not None, f"{key} has a key that nobody has"
        return sealing.open_whole(data, found, header, path=path)

    def _ring_of(self, uid: str) -> KeyRing:
        namespaces = self._kubectl.get("namespaces")["items"]
        (name,) = [it["metadata"]["name"] for it in namespaces if it["metadata"]["uid"] == uid]
        secret = self._kubectl.in_namespace(name).get("secret", "varflow-encryption")
        return KeyRing.decode(base64.b64decode(secret["data"]["keys"]).decode(), source=name)


@contextlib.contextmanager
def bucket(installation: Installation) -> Iterator[Bucket]:
    """Look into the store."""
    kubectl = installation.kubectl
    secret = kubectl.get("secret", "varflow-s3")["data"]
    access, key = (
        base64.b64decode(secret[name]).decode()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    )
    with forwarded(kubectl, "varflow-s3", 7070) as port:
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id=access,
            aws_secret_access_key=key,
            config=Config(s3={"addressing_style": "path"}),
        )
        with contextlib.closing(client):
            yield Bucket(client, kubectl)


def eventually(look: Callable[[], T], *, seconds: float, what: str) -> T:
    """Return what `look` does once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.2)
    return found


def kill_container(kubectl: Kubectl, pod: str, container: str) -> None:
    """Kill all processes of a container with SIGKILL, as the kernel does when memory is short."""
    status = kubectl.get("pod", pod)["status"]
    states = [*status["containerStatuses"], *status.get("initContainerStatuses", ())]
    (found,) = [it["containerID"] for it in states if it["name"] == container]
    container_id = found.rpartition("/")[2]
    killed = [pid for pid in _processes(container_id) if _is_killed(pid)]
    assert killed, f"container {container} of {pod} has no process on this machine"


def _processes(container_id: str) -> list[int]:
    return [
        int(folder.name)
        for folder in Path("/proc").iterdir()
        if folder.name.isdigit() and container_id in _control_group(folder)
    ]


def _control_group(process: Path) -> str:
    try:
        return (process / "cgroup").read_text()
    except OSError:
        return ""


def _is_killed(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
