"""Object stores for tests: versitygw, the same server that the chart brings, over a folder.

MinIO is built (`build minio`) for what versitygw lacks; nothing here needs it yet.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass
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
def running(folder: Path) -> Iterator[dict[str, str]]:
    """Run versitygw on this machine's loopback."""
    (port,) = free_ports(1)
    (data := folder / "objects").mkdir()
    facts = {
        "endpoint": f"http://127.0.0.1:{port}",
        "access_key_id": "tests",
        "secret_access_key": secrets.token_urlsafe(),
    }
    keys = {
        "ROOT_ACCESS_KEY": facts["access_key_id"],
        "ROOT_SECRET_KEY": facts["secret_access_key"],
    }
    with Processes(folder) as processes:
        program = programs.find("versitygw")
        address = ("--port", f"127.0.0.1:{port}", "--region", REGION, "--keep-alive")
        processes.start("versitygw", program, *address, "posix", data, env=keys)
        processes.wait_until(lambda: _is_listening(port), what="the S3 server listens")
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


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
