"""Servers that the processes of a test run share, with an S3 server as the quickest to start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import keeping, places, s3_servers
from tests.support.cluster.places import ClusterError
from tests.support.cluster.s3_servers import S3Server
from tests.support.runs import wait_until

USER = (
    "import sys; from pathlib import Path; from tests.support.cluster import keeping\n"
    "with keeping.using('s3', Path(sys.argv[1])) as facts:\n"
    "    print(facts['endpoint'], flush=True); sys.stdin.read()"
)


@pytest.fixture
def user(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the servers."""
    with subprocess.Popen(
        [sys.executable, "-c", USER, str(tmp_path)],
        cwd=places.ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def endpoint_of(user: subprocess.Popen[str]) -> str:
    """Return what the process was given, once it was."""
    assert user.stdout is not None
    return user.stdout.readline().strip()


def is_answering(endpoint: str) -> bool:
    """Tell whether a server is there; it refuses us, as we have no keys here."""
    try:
        with urllib.request.urlopen(endpoint, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False


def test_two_processes_use_one_server(tmp_path: Path, user: subprocess.Popen[str]) -> None:
    theirs = endpoint_of(user)

    with keeping.using("s3", tmp_path) as facts:
        assert facts["endpoint"] == theirs


def test_server_outlives_the_process_that_started_it(
    tmp_path: Path, user: subprocess.Popen[str]
) -> None:
    theirs = endpoint_of(user)

    with keeping.using("s3", tmp_path):
        user.kill()
        user.wait()

        assert is_answering(theirs)


def test_server_ends_with_its_last_user_though_that_was_killed(
    tmp_path: Path, user: subprocess.Popen[str]
) -> None:
    endpoint = endpoint_of(user)

    user.kill()

    wait_until(lambda: not keeping.is_kept(tmp_path), what="end of the keeper")
    assert not is_answering(endpoint)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_server_ends_with_its_keeper(tmp_path: Path, user: subprocess.Popen[str]) -> None:
    endpoint = endpoint_of(user)

    os.kill(int((tmp_path / "keeper.lock").read_text()), signal.SIGKILL)

    wait_until(lambda: not is_answering(endpoint), what="end of the server")


def test_server_that_does_not_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VARFLOW_TEST_CACHE", str(tmp_path / "empty"))

    with (
        pytest.raises(ClusterError, match=r"versitygw is not built yet.* build s3"),
        keeping.using("s3", tmp_path),
    ):
        pass


def test_servers_that_stay_end_when_told(tmp_path: Path) -> None:
    keeping.start("s3", tmp_path, stays=True)
    endpoint = keeping.read(tmp_path)["endpoint"]

    assert is_answering(endpoint)
    assert keeping.stop(tmp_path)
    assert not is_answering(endpoint)


def test_buckets_have_names_of_their_own(s3_server: S3Server, bucket: str) -> None:
    assert s3_servers.make_bucket(s3_server) != bucket
