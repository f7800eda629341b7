"""Credentials that MinIO lends for one namespace, as the operator asks for them."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

from tests.support import s3
from tests.support.cluster.s3_servers import S3Server
from varflow.variables import paths
from varflow.variables.scopes import Owners
from varflow.variables.stores import s3_urls
from varflow.variables.stores.credentials import CredentialsFile, LentCredentials
from varflow.variables.stores.s3 import S3Store
from varflow_operator.lending import policies
from varflow_operator.lending.minting import Desk, Mint


def mint_of(server: S3Server) -> Mint:
    """Return the token service of a server."""
    return Mint(
        Desk(
            endpoint=server.endpoint,
            region=server.region,
            role="",
            credentials=s3.credentials_of(server),
        )
    )


async def lend(place: s3.Place, owners: Owners) -> LentCredentials:
    """Return credentials for a namespace of a store."""
    policy = policies.write(s3_urls.parse(place.url), owners)
    return await mint_of(place.server).mint(policy, name=f"tests-{owners.namespace}")


async def borrow(place: s3.Place, owners: Owners, folder: Path) -> CredentialsFile:
    """Return the file that a namespace's sidecars would read."""
    file = CredentialsFile(str(folder / f"{owners.namespace}.json"))
    await replace(file, await lend(place, owners))
    return file


async def replace(file: CredentialsFile, lent: LentCredentials) -> None:
    """Write a file anew, as a kubelet does: whole at every moment."""
    fresh = Path(f"{file.path}.new")
    await asyncio.to_thread(fresh.write_bytes, lent.encode())
    await asyncio.to_thread(fresh.replace, file.path)


def make_store(place: s3.Place, file: CredentialsFile) -> S3Store:
    """Return a store as a sidecar opens it."""
    return S3Store(s3_urls.parse(place.url), file)


def inside(place: s3.Place, owners: Owners) -> s3.Place:
    """Return the part of a store that is a namespace's, as a place."""
    prefix = paths.namespace_prefix(owners).removesuffix("/")
    return dataclasses.replace(place, prefix=f"{place.prefix}/{prefix}")
