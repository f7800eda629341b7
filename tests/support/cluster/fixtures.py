"""Fixtures for all tests: servers that one test run shares, whatever the number of its workers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import keeping, s3_servers
from tests.support.cluster.s3_servers import S3Server


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this test run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def s3_server(run_folder: Path) -> Iterator[S3Server]:
    """An S3 server, shared by all tests of the run."""
    with keeping.using("s3", run_folder / "s3") as facts:
        yield s3_servers.decode(facts)


@pytest.fixture(scope="session")
def minio_server(run_folder: Path) -> Iterator[S3Server]:
    """Another one, which lends limited credentials."""
    with keeping.using("minio", run_folder / "minio") as facts:
        yield s3_servers.decode(facts)


@pytest.fixture
def bucket(s3_server: S3Server) -> str:
    """A bucket that nobody else uses."""
    return s3_servers.make_bucket(s3_server)
