"""Whether lent credentials are as good as they should be, and no better: tried on the store.

A token service need not belong to a store that honours policies, and some stores answer "forbidden"
for an object of one's own that is not there (Ceph RGW before 2026), over which no variable could
ever be read. Neither is to be found out by a function's first action.
"""

from __future__ import annotations

import secrets
from typing import Final

from varflow.errors import StoreError, StoreUnavailable
from varflow.variables import layouts, paths
from varflow.variables.scopes import Owners
from varflow.variables.stores.base import ObjectStore
from varflow.variables.stores.credentials import LentCredentials
from varflow.variables.stores.s3 import S3Store
from varflow.variables.stores.s3_urls import Location
from varflow_operator.lending.modes import NotLent

_STRANGER: Final = "not-this-namespace"
"""What stands for the UID of another namespace; whether it has anything does not matter."""


async def check(location: Location, lent: LentCredentials, owners: Owners) -> None:
    """Return if a namespace's sidecars can work with them, and see nothing of others.

    Raises:
        NotLent: they cannot, or see more; says what the store has answered.
        StoreUnavailable: it is away.
    """
    store = S3Store(location, lent.credentials, is_limited=True)
    try:
        await store.open()
        await _check_own(store, owners)
        await _check_other(store, Owners(owners.cluster, _STRANGER, "", ""))
    finally:
        await store.close()


async def _check_own(store: ObjectStore, owners: Owners) -> None:
    prefix = paths.namespace_prefix(owners)
    try:
        await layouts.check(store)
        await store.get(f"{prefix}bodies/{secrets.token_hex(8)}")
        async for _ in store.list(prefix):
            break
    except StoreUnavailable:
        raise
    except StoreError as error:
        raise NotLent(f"limited credentials do not suffice: {error.message}") from error


async def _check_other(store: ObjectStore, owners: Owners) -> None:
    prefix = paths.namespace_prefix(owners)
    try:
        await store.get(f"{prefix}bodies/{secrets.token_hex(8)}")
    except StoreUnavailable:
        raise
    except StoreError:
        return
    raise NotLent(f"the store {store.url} does not limit what it lends credentials for")
