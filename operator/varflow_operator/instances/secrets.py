"""The secrets that actions may name: keys of one Secret in the instance's namespace.

They are read when an expression needs them and are kept nowhere, so that a changed value counts at
once, and a snapshot, a log or a status never holds one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Final

from varflow.engine.messages import Json
from varflow.errors import ClusterError, ClusterUnavailable
from varflow.shells import secrets as shell_secrets
from varflow.shells.secrets import SecretNotFound
from varflow.variables import retrying
from varflow_operator import names
from varflow_operator.instances.ground import Ground
from varflow_operator.kinds import SECRET, Object

_FOR_EVER: Final = float("inf")
"""Without the API server nothing else could be done either."""


async def add_to(data: Json, wanted: Iterable[str], *, namespace: str, ground: Ground) -> Json:
    """Return `data` with `.secrets`, holding the wanted ones; as it is when none is wanted.

    Raises:
        SecretNotFound: one of them is not there, or may not be read.
    """
    wanted = tuple(wanted)
    if not wanted:
        return data
    try:
        found = await retrying.until(
            _FOR_EVER,
            lambda: ground.cluster.find(SECRET, namespace, names.ACTION_SECRETS),
            waits_out=ClusterUnavailable,
        )
    except ClusterError as error:
        raise SecretNotFound(error.message) from error
    values = {name: _value(found, name, namespace=namespace) for name in wanted}
    return shell_secrets.add_to(data, values)


def _value(secret: Object | None, name: str, *, namespace: str) -> str:
    encoded = ((secret or {}).get("data") or {}).get(name)
    if encoded is None:
        raise SecretNotFound(
            f"the secret {name!r} is no key of the Secret {namespace}/{names.ACTION_SECRETS}"
        )
    try:
        return base64.b64decode(encoded).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise SecretNotFound(
            f"the secret {name!r} in {namespace}/{names.ACTION_SECRETS} is no text"
        ) from error
