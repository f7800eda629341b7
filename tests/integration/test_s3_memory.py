"""Bodies stream through the s3 driver in bounded memory (design.md §8, promise 6)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import s3
from tests.support.cluster.s3_servers import S3Server

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_a_body_of_any_length_takes_at_most_32_mib(s3_server: S3Server, bucket: str) -> None:
    """PE-35: 200 MiB."""
    place = s3.make_place(s3_server, bucket)
    program = [sys.executable, "-m", "tests.support.s3_stream_program", place.url, "200"]
    keys = {
        "AWS_ACCESS_KEY_ID": s3_server.access_key_id,
        "AWS_SECRET_ACCESS_KEY": s3_server.secret_access_key,
    }
    done = subprocess.run(
        program,
        cwd=REPOSITORY,
        env={**os.environ, **keys},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 32
