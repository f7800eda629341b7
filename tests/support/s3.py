"""S3 for tests: moto inside this process, stores on any server, and a look behind the driver."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from tests.support.cluster.s3_servers import S3Server
from varflow.variables.stores import s3_client, s3_urls
from varflow.variables.stores.base import ObjectStore
from varflow.variables.stores.credentials import Credentials
from varflow.variables.stores.s3 import S3Store


@contextlib.contextmanager
def moto() -> Iterator[S3Server]:
    """Run moto in threads of this process, as long as the context lasts."""
    app = OneByOne(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield S3Server(f"http://{server.host}:{server.port}", "moto", "moto")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class OneByOne:
    """Answers one request at a time: moto compares ETags in one step and writes in another."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._lock = threading.Lock()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Answer, as WSGI has it."""
        with self._lock:
            return self._app(environ, start_response)


def credentials_of(server: S3Server) -> Credentials:
    """Return the keys of a server's owner."""
    return Credentials(
        access_key_id=server.access_key_id, secret_access_key=server.secret_access_key
    )


@dataclass(frozen=True, slots=True)
class Place:
    """A prefix of its own in a bucket."""

    server: S3Server
    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        """What `--store` would be."""
        return f"s3://{self.bucket}/{self.prefix}?endpoint={self.server.endpoint}&region=us-east-1"

    @property
    def environ(self) -> dict[str, str]:
        """What a process is told that has its variables here."""
        return {
            "VARFLOW_STORE": self.url,
            "AWS_ACCESS_KEY_ID": self.server.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.server.secret_access_key,
        }

    def make_store(self) -> ObjectStore:
        """Return a store here, not yet opened."""
        return S3Store(s3_urls.parse(self.url), credentials_of(self.server))

    def uploads(self) -> list[str]:
        """Return the keys of uploads that were neither completed nor aborted."""
        with contextlib.closing(self.client()) as client:
            answer = client.list_multipart_uploads(Bucket=self.bucket, Prefix=self.prefix)
        return [upload["Key"] for upload in answer.get("Uploads", ())]

    def client(self) -> Any:
        """Return a client of the SDK."""
        return s3_client.make(s3_urls.parse(self.url), credentials_of(self.server), connections=1)


def make_place(server: S3Server, bucket: str) -> Place:
    """Return a prefix that nobody else uses."""
    return Place(server, bucket, secrets.token_hex(8))


def make_bucket(server: S3Server) -> str:
    """Make a bucket that nobody else uses, and return its name."""
    place = make_place(server, f"test-{secrets.token_hex(8)}")
    with contextlib.closing(place.client()) as client:
        client.create_bucket(Bucket=place.bucket)
    return place.bucket
