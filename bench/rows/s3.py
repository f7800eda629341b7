"""A sidecar over a real S3 server on this machine: its start, requests, and a variable of 5 GiB.

The server writes to the same disk and takes most of the time, so each figure stands beside boto3
doing the same alone, in the same run.
"""

from __future__ import annotations

import contextlib
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import boto3
from boto3.s3.transfer import TransferConfig

from bench import load, usage
from bench.processes import Sidecar, running_sidecar
from bench.rows import streams
from bench.table import Row
from tests.support.cluster import builds, s3_servers
from tests.support.cluster.s3_servers import S3Server

MIB: Final = 1 << 20
MILLI: Final = 1e3
VALUE: Final = bytes(range(256)) * 4
_STARTS: Final = 5


def measure(folder: Path, *, is_quick: bool) -> list[Row]:
    """Return the rows of a sidecar over S3."""
    builds.build("s3")
    with s3_servers.running(folder) as facts:
        server = s3_servers.decode(facts)
        bucket = s3_servers.make_bucket(server)
        with contextlib.closing(_client(server)) as client:
            return [
                *_starts(folder, server, bucket),
                *_requests(folder, server, bucket, client, times=200 if is_quick else 1000),
                *_streams(folder, server, bucket, client, size=(256 if is_quick else 5120) * MIB),
            ]


@contextlib.contextmanager
def _running(folder: Path, server: S3Server, bucket: str) -> Iterator[Sidecar]:
    environ = {
        "AWS_ACCESS_KEY_ID": server.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
    }
    url = f"s3://{bucket}?endpoint={server.endpoint}&region={server.region}"
    own = Path(tempfile.mkdtemp(dir=folder))  # or it would look after what the one before has left
    with running_sidecar(own, store=url, more_environ=environ) as sidecar:
        yield sidecar


def _client(server: S3Server) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=server.access_key_id,
        aws_secret_access_key=server.secret_access_key,
    )


def _starts(folder: Path, server: S3Server, bucket: str) -> list[Row]:
    seconds, memory = [], []
    for _ in range(_STARTS):
        with _running(folder, server, bucket) as sidecar:
            seconds.append(sidecar.ready_seconds)
            memory.append(usage.resident_bytes(sidecar.pid) / MIB)
    return [
        Row(what="sidecar idle memory, s3 store", value=max(memory), goal=75, unit="MiB"),
        Row(
            what="ready after exec, s3 store", value=statistics.median(seconds), goal=0.8, unit="s"
        ),
    ]


def _requests(folder: Path, server: S3Server, bucket: str, client: Any, *, times: int) -> list[Row]:
    with _running(folder, server, bucket) as sidecar:
        action, _ = sidecar.dispatch({"hold": True}, wait=0)
        path, port = f"/var?aid={action}&scope=workflow&key=value", sidecar.settings.variable_port
        written = load.run(load.post(path, VALUE), port, requests=times)
        read = load.run(load.get(path), port, requests=times)
    put = _median(times, lambda: client.put_object(Bucket=bucket, Key="floor", Body=VALUE))
    get = _median(times, lambda: _read(client, bucket))
    return [
        _request("POST 1 KiB, s3 store, p50", written.p50_seconds, put, "boto3 PUT"),
        _request("GET 1 KiB, s3 store, p50", read.p50_seconds, get, "boto3 GET"),
    ]


def _read(client: Any, bucket: str) -> bytes:
    data: bytes = client.get_object(Bucket=bucket, Key="floor")["Body"].read()
    return data


def _median(times: int, call: Callable[[], object]) -> float:
    return statistics.median(_timed(call) for _ in range(times))


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _request(what: str, seconds: float, floor: float, floor_name: str) -> Row:
    return Row(
        what=what,
        value=seconds * MILLI,
        goal=None,
        unit="ms",
        floor=floor * MILLI,
        floor_name=floor_name,
    )


def _streams(folder: Path, server: S3Server, bucket: str, client: Any, *, size: int) -> list[Row]:
    source = folder / "source"
    streams.fill(source, size)
    floor = _boto3_rates(client, bucket, source)
    with _running(folder, server, bucket) as sidecar:
        measured = streams.send_and_fetch(sidecar, source)
    name = f"{size // MIB:,} MiB variable, s3 store"
    return [
        streams.rate(f"{name}, in", measured.written, floor[0], floor_name="boto3 upload"),
        streams.rate(f"{name}, out", measured.read, floor[1], floor_name="boto3 download"),
        Row(what=f"{name}, memory above idle", value=measured.above / MIB, goal=32, unit="MiB"),
    ]


class _Nowhere(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)


def _boto3_rates(client: Any, bucket: str, source: Path) -> tuple[float, float]:
    """Return bytes a second of boto3's own transfers, in and out, one part after the other."""
    size, one_by_one = source.stat().st_size, TransferConfig(use_threads=False)
    written = _timed(
        lambda: client.upload_file(os.fspath(source), bucket, "floor", Config=one_by_one)
    )
    read = _timed(lambda: client.download_fileobj(bucket, "floor", _Nowhere(), Config=one_by_one))
    client.delete_object(Bucket=bucket, Key="floor")
    return size / written, size / read
