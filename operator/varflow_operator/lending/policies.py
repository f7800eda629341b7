"""What lent credentials are good for: a namespace's prefix, and the layout's marker. PURE.

    <prefix>v1/<cluster>/<namespace UID>/*   read, write, delete, also in parts
                                             list, with a prefix that begins so
    <prefix>varflow.json                     read: every process looks at it first

The policy can only take away: what the operator's own key may not, they may not either. AWS asks
for `s3:ListBucket` of the object's name, too, when it decides between 404 and 403 for an object
that is not there; the condition allows that below the prefix.
"""

from __future__ import annotations

import json
from typing import Any, Final

from varflow.errors import InvalidInput
from varflow.variables import paths
from varflow.variables.scopes import Owners
from varflow.variables.stores import s3_keys
from varflow.variables.stores.s3_urls import Location

_OBJECT_ACTIONS: Final = (
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
)
"""Of the requests for parts only the one that gives up has an action of its own that we need."""
_KEY_ACTIONS: Final = ("kms:Decrypt", "kms:GenerateDataKey")
_SPECIAL: Final = frozenset("*?$")
"""What means something else in a policy than in a key, with an escape that few servers know."""
_MOST_BYTES: Final = 2048
"""What AWS takes."""


def write(location: Location, owners: Owners, *, partition: str = "aws") -> str:
    """Return the policy for a namespace as JSON.

    Args:
        location: the store.
        owners: whose namespace.
        partition: of AWS' regions: `aws`, `aws-cn`, `aws-us-gov`.

    Raises:
        InvalidInput: the store's prefix cannot stand in a policy.
    """
    prefix = location.prefix + s3_keys.prefix_of(paths.namespace_prefix(owners))
    if _SPECIAL & set(prefix):
        raise InvalidInput(f"the store's prefix {location.prefix!r} has '*', '?' or '$'")
    bucket = f"arn:{partition}:s3:::{location.bucket}"
    marker = location.prefix + s3_keys.key_of(paths.MARKER)
    statements = [
        _allow(_OBJECT_ACTIONS, f"{bucket}/{prefix}*"),
        _allow(("s3:GetObject",), f"{bucket}/{marker}"),
        _allow(("s3:ListBucket",), bucket, {"s3:prefix": f"{prefix}*"}),
    ]
    if not location.endpoint:
        # a bucket of AWS may be encrypted with a key of the account, for which S3 asks in our name
        statements.append(_allow(_KEY_ACTIONS, "*", {"kms:ViaService": "s3.*"}))
    text = json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
    if len(text) > _MOST_BYTES:
        raise InvalidInput(f"the store's prefix is too long for a policy of {_MOST_BYTES} bytes")
    return text


def _allow(
    actions: tuple[str, ...], resource: str, likeness: dict[str, str] | None = None
) -> dict[str, Any]:
    condition = {"Condition": {"StringLike": likeness}} if likeness else {}
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **condition}
