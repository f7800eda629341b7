"""Object stores for tests: versitygw, the same server that the chart brings, and MinIO.

Both keep objects in a folder. MinIO is there because it differs: it ignores a condition of a
DELETE, and it is the one that lends credentials (STS), each limited by a policy.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from tests.support.cluster import programs
from tests.support.cluster.control_plane import free_ports
from tests.support.cluster.processes import Processes

REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class S3Server:
    """An S3 server and the keys of its owner."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    region: str = REGION


@contextlib.contextmanager
def versitygw(folder: Path) -> Iterator[dict[str, str]]:
    """Run versitygw on this machine's loopback."""
    (port,) = free_ports(1)
    facts = _facts(port)
    address = ("--port", f"127.0.0.1:{port}", "--region", REGION, "--keep-alive")
    with _running(
        folder,
        "versitygw",
        (*address, "posix", _data(folder)),
        env=_keys(facts, "ROOT_ACCESS_KEY", "ROOT_SECRET_KEY"),
        is_ready=lambda: _is_listening(port),
    ):
        yield facts


@contextlib.contextmanager
def minio(folder: Path) -> Iterator[dict[str, str]]:
    """Run MinIO on this machine's loopback."""
    port, console = free_ports(2)
    facts = _facts(port)
    addresses = ("--address", f"127.0.0.1:{port}", "--console-address", f"127.0.0.1:{console}")
    alone = {"MINIO_BROWSER": "off", "MINIO_UPDATE": "off", "MINIO_REGION": REGION}
    with _running(
        folder,
        "minio",
        ("server", "--quiet", *addresses, _data(folder)),
        env={**alone, **_keys(facts, "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD")},
        is_ready=lambda: _is_well(f"{facts['endpoint']}/minio/health/ready"),
    ):
        yield facts


def decode(facts: dict[str, str]) -> S3Server:
    """Return the server that a keeper wrote down."""
    return S3Server(**facts)


def make_bucket(server: S3Server) -> str:
    """Make a bucket with a new name and return that."""
    import boto3

    name = f"test-{secrets.token_hex(8)}"
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key_id,
        aws_secret_access_key=server.secret_access_key,
        region_name=server.region,
    )
    with contextlib.closing(client):
        client.create_bucket(Bucket=name)
    return name


@contextlib.contextmanager
def _running(
    folder: Path,
    name: str,
    arguments: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    is_ready: Callable[[], bool],
) -> Iterator[None]:
    with Processes(folder) as processes:
        processes.start(name, programs.find(name), *arguments, env=env)
        processes.wait_until(is_ready, what=f"the S3 server {name} answers")
        yield


def _data(folder: Path) -> Path:
    (data := folder / "objects").mkdir()
    return data


def _facts(port: int) -> dict[str, str]:
    return {
        "endpoint": f"http://127.0.0.1:{port}",
        "access_key_id": "tests",
        "secret_access_key": secrets.token_urlsafe(),
    }


def _keys(facts: Mapping[str, str], user: str, password: str) -> dict[str, str]:
    return {user: facts["access_key_id"], password: facts["secret_access_key"]}


def _is_well(url: str) -> bool:
    """Tell whether a server says that it is: some listen before they can do anything."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
