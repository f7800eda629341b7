"""What the operator alone knows: the key of all tokens, and the access key of the store.

Both live in Secrets of the operator's namespace. The one with the token key is made when it is not
there, and so is the store's when the operator is told to: an embedded S3 server reads the same
Secret. Two operators that start together end with the same values, since the API server accepts
one create, and one change of a version.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from varflow.errors import ObjectConflict, ObjectExists, ObjectNotFound
from varflow.variables.stores.credentials import Credentials
from varflow_operator import names
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import SECRET, Object
from varflow_operator.settings import OperatorSettings

ACCESS_KEY: Final = "AWS_ACCESS_KEY_ID"
SECRET_KEY: Final = "AWS_SECRET_ACCESS_KEY"
SESSION_TOKEN: Final = "AWS_SESSION_TOKEN"

_ATTEMPTS: Final = 10
"""Each is lost only to somebody else's write of the same Secret."""

_LABELS: Final = names.labels(names.Component.OPERATOR)

Values = Mapping[str, Callable[[], str]]
"""Keys of a Secret, and what makes a value for each that is not there."""


@dataclass(frozen=True, slots=True)
class OperatorCredentials:
    """What was found or made."""

    token_key: str = field(repr=False)
    """Of which the tokens of all pods are computed."""
    store: Credentials | None
    """None: the usual places, such as the service account."""

    def token_of(self, workflow_uid: str) -> str:
        """Return what the sidecars of a workflow ask for; computed, so it is never read back."""
        return hmac.digest(self.token_key.encode(), workflow_uid.encode(), "sha256").hex()


async def load(cluster: Cluster, settings: OperatorSettings) -> OperatorCredentials:
    """Return what the operator's Secrets hold, making what may be made.

    Raises:
        ObjectNotFound: the store's Secret, or a key of it, is not there; says which.
        ClusterError: the API server does not answer, or does not let us.
    """
    own = await _ensure(
        cluster,
        settings.namespace,
        names.OPERATOR_SECRET,
        {names.TOKEN_KEY: lambda: secrets.token_hex(32)},
    )
    return OperatorCredentials(own[names.TOKEN_KEY], await _load_store(cluster, settings))


async def _load_store(cluster: Cluster, settings: OperatorSettings) -> Credentials | None:
    if not settings.store_secret:
        return None
    place = (settings.namespace, settings.store_secret)
    if settings.generates_store_secret:
        found = await _ensure(cluster, *place, _RANDOM_ACCESS)
    else:
        found = _values(await cluster.get(SECRET, *place))
    for key in (ACCESS_KEY, SECRET_KEY):
        if not found.get(key):
            raise ObjectNotFound(f"Secret {'/'.join(place)} has no {key}; the store needs it")
    return Credentials(
        access_key_id=found[ACCESS_KEY],
        secret_access_key=found[SECRET_KEY],
        session_token=found.get(SESSION_TOKEN, ""),
    )


_RANDOM_ACCESS: Final[Values] = {
    ACCESS_KEY: lambda: secrets.token_hex(10).upper(),
    SECRET_KEY: lambda: secrets.token_hex(20),
}


async def _ensure(cluster: Cluster, namespace: str, name: str, wanted: Values) -> Mapping[str, str]:
    """Return a Secret's values, after making it, or those of its keys that are not there."""
    for _ in range(_ATTEMPTS):
        found = await cluster.find(SECRET, namespace, name)
        present = _values(found) if found is not None else {}
        made = {key: make() for key, make in wanted.items() if not present.get(key)}
        if not made:
            return present
        with contextlib.suppress(ObjectExists, ObjectConflict):
            return _values(await _write(cluster, namespace, name, found, made))
    raise ObjectConflict(f"Secret {namespace}/{name} is written by others all the time")


async def _write(
    cluster: Cluster, namespace: str, name: str, found: Object | None, made: Mapping[str, str]
) -> Object:
    if found is None:
        metadata = {"namespace": namespace, "name": name, "labels": _LABELS}
        return await cluster.create(SECRET, {"metadata": metadata, "stringData": made})
    version = {"resourceVersion": found["metadata"]["resourceVersion"]}
    return await cluster.patch(SECRET, namespace, name, {"metadata": version, "stringData": made})


def _values(secret: Object) -> dict[str, str]:
    """Return the values that are text; others are nothing that the operator asks for."""
    values = {}
    for key, encoded in (secret.get("data") or {}).items():
        with contextlib.suppress(UnicodeDecodeError, binascii.Error):
            values[key] = base64.b64decode(encoded).decode().strip()
    return values
