"""Credentials for one namespace, minted by MinIO: good for all of it, and for nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support import lending, s3, stores
from tests.support.cluster.s3_servers import S3Server
from tests.support.variables import OWNERS, Clock
from varflow.errors import StoreError, StoreUnavailable
from varflow.variables import layouts, paths
from varflow.variables.scopes import Address, Owners, Scope
from varflow.variables.stores import s3_client, s3_urls
from varflow.variables.stores.credentials import Credentials, CredentialsFile, LentCredentials
from varflow.variables.stores.s3 import S3Store
from varflow.variables.variables import Variables
from varflow_operator.lending import trying
from varflow_operator.lending.modes import NotLent

ONE = OWNERS
TWO = replace(OWNERS, namespace="neighbour")


def variable(owners: Owners) -> Address:
    return Address(owners, Scope.NAMESPACE, "k")


@pytest.fixture(scope="module")
def minio_bucket(minio_server: S3Server) -> tuple[S3Server, str]:
    return minio_server, s3.make_bucket(minio_server)


@pytest.fixture
async def place(minio_bucket: tuple[S3Server, str]) -> s3.Place:
    """Where both namespaces have a variable `k`."""
    place = s3.make_place(*minio_bucket)
    variables = Variables(place.make_store())
    await variables.open()
    for owners in (ONE, TWO):
        await variables.set(variable(owners), owners.namespace.encode())
    await variables.close()
    return place


@pytest.fixture
async def sidecars(place: s3.Place, tmp_path: Path) -> AsyncIterator[dict[Owners, Variables]]:
    """What a sidecar of each namespace works with."""
    opened = {}
    for owners in (ONE, TWO):
        file = await lending.borrow(place, owners, tmp_path)
        opened[owners] = Variables(lending.make_store(place, file), writer="sidecar")
        await opened[owners].open()
    yield opened
    for variables in opened.values():
        await variables.close()


@pytest.mark.parametrize(("own", "other"), [(ONE, TWO), (TWO, ONE)], ids=["one", "two"])
async def test_sidecars_of_two_namespaces_do_not_see_each_other(
    sidecars: dict[Owners, Variables], own: Owners, other: Owners
) -> None:
    mine = sidecars[own]

    found = await mine.get(variable(own))
    assert found is not None
    assert await found.bytes() == own.namespace.encode()
    with pytest.raises(StoreError, match="AccessDenied"):
        await mine.get(variable(other))
    with pytest.raises(StoreError, match="AccessDenied"):
        await mine.set(variable(other), b"stolen")
    with pytest.raises(StoreError, match="AccessDenied"):
        await mine.delete(variable(other))
    with pytest.raises(StoreError, match="AccessDenied"):
        await stores.paths_in(mine.store, paths.namespace_prefix(other))
    theirs = await sidecars[other].get(variable(other))
    assert theirs is not None
    assert await theirs.bytes() == other.namespace.encode()


Request = Callable[[Any, str, str], object]
"""Client, bucket, key -> sent."""

REQUESTS: dict[str, Request] = {
    "get": lambda client, bucket, key: client.get_object(Bucket=bucket, Key=key),
    "get-range": lambda client, bucket, key: client.get_object(
        Bucket=bucket, Key=key, Range="bytes=0-1"
    ),
    "head": lambda client, bucket, key: client.head_object(Bucket=bucket, Key=key),
    "put": lambda client, bucket, key: client.put_object(Bucket=bucket, Key=key, Body=b""),
    "copy-from": lambda client, bucket, key: client.copy_object(
        Bucket=bucket, Key="mine", CopySource={"Bucket": bucket, "Key": key}
    ),
    "delete": lambda client, bucket, key: client.delete_object(Bucket=bucket, Key=key),
    "delete-many": lambda client, bucket, key: denied_of(
        client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]})
    ),
    "begin-parts": lambda client, bucket, key: client.create_multipart_upload(
        Bucket=bucket, Key=key
    ),
    "put-part": lambda client, bucket, key: client.upload_part(
        Bucket=bucket, Key=key, UploadId="any", PartNumber=1, Body=b""
    ),
    "abort-parts": lambda client, bucket, key: client.abort_multipart_upload(
        Bucket=bucket, Key=key, UploadId="any"
    ),
    "list": lambda client, bucket, key: client.list_objects_v2(Bucket=bucket, Prefix=key),
    "list-all": lambda client, bucket, _key: client.list_objects_v2(Bucket=bucket),
    "list-parts": lambda client, bucket, key: client.list_multipart_uploads(
        Bucket=bucket, Prefix=key
    ),
    "remove-bucket": lambda client, bucket, _key: client.delete_bucket(Bucket=bucket),
}


def denied_of(answer: dict[str, Any]) -> None:
    """Raise what an answer says of its first object."""
    (error,) = answer["Errors"]
    raise ClientError({"Error": error}, "DeleteObjects")


@contextlib.contextmanager
def client_of(place: s3.Place, lent: LentCredentials) -> Iterator[Any]:
    client = s3_client.make(s3_urls.parse(place.url), lent.credentials, connections=1)
    with contextlib.closing(client):
        yield client


@pytest.mark.parametrize("request_name", REQUESTS)
async def test_no_request_reaches_the_other_namespace(place: s3.Place, request_name: str) -> None:
    key = f"{place.prefix}/{paths.variable(variable(TWO))}!"
    lent = await lending.lend(place, ONE)

    with client_of(place, lent) as client, pytest.raises(ClientError) as raised:
        REQUESTS[request_name](client, place.bucket, key)

    # of a HEAD there is no more than the status
    assert raised.value.response["Error"]["Code"] in {"AccessDenied", "403"}


async def test_the_marker_of_the_store_is_not_theirs_to_write(
    sidecars: dict[Owners, Variables],
) -> None:
    store = sidecars[ONE].store

    await layouts.check(store)
    with pytest.raises(StoreError, match="AccessDenied"):
        await store.put(paths.MARKER, b"{}")
    with pytest.raises(StoreError, match="AccessDenied"):
        await store.delete(paths.MARKER)


# Trying them


async def test_credentials_that_suffice_and_no_more_are_accepted(place: s3.Place) -> None:
    await trying.check(s3_urls.parse(place.url), await lending.lend(place, ONE), ONE)


async def test_credentials_for_something_else_do_not_suffice(place: s3.Place) -> None:
    with pytest.raises(NotLent, match="do not suffice"):
        await trying.check(s3_urls.parse(place.url), await lending.lend(place, TWO), ONE)


async def test_a_server_that_ignores_the_policy_is_found_out() -> None:
    with s3.moto() as server:
        place = s3.make_place(server, s3.make_bucket(server))
        with pytest.raises(NotLent, match="does not limit"):
            await trying.check(s3_urls.parse(place.url), await lending.lend(place, ONE), ONE)


# Who lends


async def test_a_server_without_a_token_service_does_not_lend(
    s3_server: S3Server,
) -> None:
    with pytest.raises(
        NotLent, match=f"limited credentials for sidecars from {s3_server.endpoint}"
    ):
        await lending.mint_of(s3_server).mint("{}", name="tests")


async def test_a_key_that_may_not_lend_is_not_lent_to(minio_server: S3Server) -> None:
    wrong = replace(minio_server, secret_access_key="hunter2")

    with pytest.raises(NotLent, match="403 AccessDenied") as raised:
        await lending.mint_of(wrong).mint("{}", name="tests")
    assert "hunter2" not in str(raised.value)


async def test_a_token_service_that_is_away_may_come_back() -> None:
    with pytest.raises(StoreUnavailable, match="limited credentials"):
        await lending.mint_of(S3Server("http://127.0.0.1:9", "k", "s")).mint("{}", name="tests")


# Their end


async def test_with_credentials_that_have_ended_the_store_is_away_and_nothing_is_missing(
    place: s3.Place, tmp_path: Path
) -> None:
    lent = await lending.lend(place, ONE)
    clock = Clock(lent.expires_at)
    (path := tmp_path / "ended.json").write_bytes(replace(lent, expires_at=clock() - 7200).encode())
    store = lending.make_store(place, CredentialsFile(str(path)))
    await store.open()

    with pytest.raises(StoreUnavailable, match="is the operator away"):
        await store.get(paths.variable(variable(ONE)))
    with pytest.raises(StoreUnavailable, match="is the operator away"):
        await store.put(paths.variable(variable(ONE)), b"")
    with pytest.raises(StoreUnavailable, match="is the operator away"):
        await stores.paths_in(store, paths.namespace_prefix(ONE))
    await store.close()


async def test_a_token_that_the_server_does_not_know_is_an_error(place: s3.Place) -> None:
    lent = await lending.lend(place, ONE)
    forged = Credentials(
        access_key_id=lent.credentials.access_key_id,
        secret_access_key=lent.credentials.secret_access_key,
        session_token="forged",
    )
    store = S3Store(s3_urls.parse(place.url), forged, is_limited=True)
    await store.open()

    with pytest.raises(StoreError, match="check the access key"):
        await store.get(paths.variable(variable(ONE)))
    await store.close()
