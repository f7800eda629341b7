"""An action's decision: the one object whose change makes all its variables change. PURE.

    absent ──► aborted ──► aborted ──► committed     (final)
       └──────────┴────────────┴─────► abandoned     (final)

`committed` makes the pendings of `txn` current, in every record at one moment. `aborted` only
changes the ETag: whoever prepared under the old one cannot decide any more and begins again.
`abandoned` says that the control plane gave the action up. Each write carries a fresh `nonce`, so
that no ETag comes back. A committed decision lists the records it changes, so that anybody can
finish it, and the bodies it took over, so that a repeated commit does not remove them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

from varflow.errors import CorruptObject
from varflow.variables import framing

INLINE_RESULT_BYTES: Final = 64 * 1024
"""Longest result inside the decision; a longer one is a data object of the instance."""


class Kind(StrEnum):
    """What was decided."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The content of a decision object; all but `kind`, `nonce` and `at` belong to `committed`."""

    kind: Kind
    nonce: str
    at: float
    """When it was written, seconds since the epoch by the writer's clock; for people."""
    txn: str | None = None
    changes: tuple[str, ...] = ()
    """Paths of the records that hold, or held, the pendings of `txn`."""
    bodies: tuple[str, ...] = ()
    """Ids of the bodies that those pendings name."""
    result: bytes | None = None
    result_path: str | None = None
    """The data object that holds the result when `result` is None."""
    result_sha256: str = ""
    """Of the result, wherever it lies, as hex digits."""


def encode(decision: Decision) -> bytes:
    """Return the decision's bytes."""
    header = {
        "kind": decision.kind,
        "nonce": decision.nonce,
        "at": decision.at,
        "txn": decision.txn,
        "changes": decision.changes,
        "bodies": decision.bodies,
        "result_path": decision.result_path,
        "result_sha256": decision.result_sha256,
        "result_size": None if decision.result is None else len(decision.result),
    }
    return framing.join(header, decision.result or b"")


def decode(data: bytes, *, path: str) -> Decision:
    """Read a decision.

    Raises:
        CorruptObject: the bytes cannot be a decision of this version; names `path`.
    """
    header, start = framing.split(data, path=path)
    try:
        size = header.pop("result_size")
        result = None if size is None else data[start:]
        if len(data) - start != (size or 0):
            raise ValueError(f"{len(data) - start} bytes follow its header, not {size or 0}")
        if result is not None and sha256(result).hexdigest() != header["result_sha256"]:
            raise ValueError("the result does not have its SHA-256")
        return Decision(
            kind=Kind(header.pop("kind")),
            changes=tuple(header.pop("changes")),
            bodies=tuple(header.pop("bodies")),
            result=result,
            **header,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptObject(f"{path} is not an action's decision: {error}") from error
