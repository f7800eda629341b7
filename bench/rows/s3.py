"""A sidecar over a real S3 server on this machine: its start, requests, and a variable of 5 GiB.

All of it without keys and with. The server writes to the same disk and takes most of the time, so
each figure stands beside boto3 doing the same alone, in the same run.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
from boto3.s3.transfer import TransferConfig

from bench import load, usage
from bench.processes import KEYS, Sidecar, note_of, running_sidecar
from bench.rows import listings, streams
from bench.table import Row
from tests.support.cluster import builds, s3_servers
from tests.support.cluster.s3_servers import S3Server
from varflow.variables.encryption import wrapping
from varflow.variables.stores import opening
from varflow.variables.stores.credentials import Credentials

MIB: Final = 1 << 20
MILLI: Final = 1e3
VALUE: Final = bytes(range(256)) * 4
_STARTS: Final = 5


def measure(folder: Path, *, is_quick: bool) -> list[Row]:
    """Return the rows of a sidecar over S3."""
    builds.build("s3")
    with s3_servers.versitygw(folder) as facts:
        server = s3_servers.decode(facts)
        bucket = s3_servers.make_bucket(server)
        with contextlib.closing(_client(server)) as client:
            source = folder / "source"
            streams.fill(source, (256 if is_quick else 5120) * MIB)
            place = _Place(folder, server, bucket)
            times = 200 if is_quick else 1000
            rows = [
                row
                for keys in ("", KEYS)
                for row in (
                    *_starts(place, keys=keys),
                    *_requests(place, client, times=times, keys=keys),
                    *_streams(place, client, source, keys=keys),
                )
            ]
            return [*rows, _listing(place, client, count=1000 if is_quick else 10_000)]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where sidecars keep their variables, and a folder for what they write."""

    folder: Path
    server: S3Server
    bucket: str

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}?endpoint={self.server.endpoint}&region={self.server.region}"

    @property
    def environ(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.server.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.server.secret_access_key,
        }


@contextlib.contextmanager
def _running(place: _Place, *, keys: str) -> Iterator[Sidecar]:
    # In a folder of its own, or it would look after what the one before has left
    own = Path(tempfile.mkdtemp(dir=place.folder))
    with running_sidecar(own, store=place.url, keys=keys, more_environ=place.environ) as sidecar:
        yield sidecar


def _client(server: S3Server) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=server.access_key_id,
        aws_secret_access_key=server.secret_access_key,
    )


def _starts(place: _Place, *, keys: str) -> list[Row]:
    seconds, memory = [], []
    note = note_of(keys)
    for _ in range(_STARTS):
        with _running(place, keys=keys) as sidecar:
            seconds.append(sidecar.ready_seconds)
            memory.append(usage.resident_bytes(sidecar.pid) / MIB)
    return [
        Row(what=f"sidecar idle memory, s3 store{note}", value=max(memory), goal=75, unit="MiB"),
        Row(
            what=f"ready after exec, s3 store{note}",
            value=statistics.median(seconds),
            goal=0.8,
            unit="s",
        ),
    ]


def _requests(place: _Place, client: Any, *, times: int, keys: str) -> list[Row]:
    bucket, note = place.bucket, note_of(keys)
    with _running(place, keys=keys) as sidecar:
        action, _ = sidecar.dispatch({"hold": True}, wait=0)
        path, port = f"/var?aid={action}&scope=workflow&key=value", sidecar.settings.variable_port
        written = load.run(load.post(path, VALUE), port, requests=times)
        read = load.run(load.get(path), port, requests=times)
    put = _median(times, lambda: client.put_object(Bucket=bucket, Key="floor", Body=VALUE))
    get = _median(times, lambda: _read(client, bucket))
    return [
        _request(f"POST 1 KiB, s3 store, p50{note}", written.p50_seconds, put, "boto3 PUT"),
        _request(f"GET 1 KiB, s3 store, p50{note}", read.p50_seconds, get, "boto3 GET"),
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


def _streams(place: _Place, client: Any, source: Path, *, keys: str) -> list[Row]:
    floor = _boto3_rates(client, place.bucket, source)
    with _running(place, keys=keys) as sidecar:
        measured = streams.send_and_fetch(sidecar, source)
    _empty(client, place.bucket)
    name = f"{source.stat().st_size // MIB:,} MiB variable, s3 store"
    names = ("boto3 upload", "boto3 download")
    return streams.rows(name, measured, floor, keys=keys, floor_names=names)


def _listing(place: _Place, client: Any, *, count: int) -> Row:
    server = place.server
    identity = Credentials(
        access_key_id=server.access_key_id, secret_access_key=server.secret_access_key
    )
    store = opening.open_store(place.url, credentials=identity)
    sealed = wrapping.wrap_as_told(store, policy="", keys=KEYS, source="bench")
    asyncio.run(listings.lay(sealed, count))
    floor = listings.fetch_all(client, place.bucket, at_once=16)
    environ = listings.ENCRYPTION | place.environ
    seconds = listings.list_all(place.url, count, environ=environ)
    return listings.row("s3 store", count, seconds, floor, floor_name="boto3 GETs, 16 at once")


def _empty(client: Any, bucket: str) -> None:
    for found in client.list_objects_v2(Bucket=bucket)["Contents"]:
        client.delete_object(Bucket=bucket, Key=found["Key"])


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
