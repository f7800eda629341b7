"""A variable's record: what it is now, and what it may be about to become. PURE.

The record is the compare-and-swap target: value, type and expiry change together because they
are one object (design.md §6). Small values lie inside; others are immutable bodies that the record
names. `current` is None for a tombstone: deleting is a write, since stores cannot delete under a
precondition.

No two writes of a record may have equal bytes, because ETags are content hashes and an ETag that
came back would let a stale compare-and-swap through. So each carries a fresh `nonce`; this module
has no source of randomness, whoever writes passes it in.

A record that cannot be what Varflow wrote is `CorruptObject`, never an absent variable.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from varflow.errors import CorruptObject
from varflow.variables import framing

INLINE_BYTES: Final = 31 * 1024
"""Longest value inside a record: two of them and the header stay below 64 KiB, which the file
store may read on the event loop."""

_REMEMBERED: Final = 256
_REMEMBERED_BYTES: Final = 4 * 1024
"""Records up to this length are remembered decoded: a variable that is read again and again is
compared with the bytes of the last time, which costs a tenth of decoding and hashing them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One revision of a variable. Exactly one of `inline` and `body` is there."""

    rev: str
    """`<counter>-<8 random hex digits>`: another one with every write, also of equal bytes."""
    content_type: str
    size: int
    sha256: str
    """Of the bytes, as hex digits."""
    created_at: float
    """Seconds since the epoch, as are the other times."""
    updated_at: float
    expires_at: float | None
    writer: str
    inline: bytes | None
    body: str | None
    """Id of the body, see `paths.body`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A commit's claim on the record: `new` becomes current if its decision says so."""

    txn: str
    """The commit's random name."""
    decision: str
    """Path of the decision object."""
    tag: str | None
    """The decision's ETag that the owner read before preparing; None when there was none. As soon
    as the decision has another one without being `committed` with this `txn`, the claim is dead."""
    new: Value | None
    """None deletes."""


@dataclass(frozen=True, slots=True)
class Record:
    """What lies at a variable's path."""

    current: Value | None
    pending: Pending | None
    nonce: str


def next_rev(previous: Value | None, random: str) -> str:
    """Return the revision after `previous`; `random` is 8 hex digits."""
    count = int(previous.rev.partition("-")[0]) if previous is not None else 0
    return f"{count + 1}-{random}"


def encode(record: Record) -> bytes:
    """Return the record's bytes."""
    pending = record.pending
    new = pending.new if pending is not None else None
    header = {
        "current": _encode_value(record.current),
        "pending": pending and _encode_pending(pending),
        "nonce": record.nonce,
    }
    return framing.join(header, _inline(record.current), _inline(new))


def decode(data: bytes, *, path: str) -> Record:
    """Read a record.

    Raises:
        CorruptObject: the bytes cannot be a record of this version; names `path`.
    """
    return (_decode_remembered if len(data) <= _REMEMBERED_BYTES else _decode)(data, path)


def decode_once(data: bytes, *, path: str) -> Record:
    """Read a record and do not remember it: one of many, which would displace those in use."""
    return _decode(data, path)


def _decode(data: bytes, path: str) -> Record:
    header, start = framing.split(data, path=path)
    try:
        current, start = _decode_value(header["current"], data, start)
        pending = header["pending"]
        if pending is not None:
            new, start = _decode_value(pending["new"], data, start)
            pending = Pending(
                txn=pending["txn"], decision=pending["decision"], tag=pending["tag"], new=new
            )
        record = Record(current, pending, header["nonce"])
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptObject(f"{path} is not a variable's record: {error}") from error
    if start != len(data):
        raise CorruptObject(f"{path} is {len(data)} bytes long; its header says {start}")
    return record


_decode_remembered: Final = lru_cache(maxsize=_REMEMBERED)(_decode)


def _encode_value(value: Value | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {
        "rev": value.rev,
        "content_type": value.content_type,
        "size": value.size,
        "sha256": value.sha256,
        "created_at": value.created_at,
        "updated_at": value.updated_at,
        "expires_at": value.expires_at,
        "writer": value.writer,
        "body": value.body,
    }


def _encode_pending(pending: Pending) -> dict[str, Any]:
    return {
        "txn": pending.txn,
        "decision": pending.decision,
        "tag": pending.tag,
        "new": _encode_value(pending.new),
    }


def _inline(value: Value | None) -> bytes:
    return value.inline or b"" if value is not None else b""


def _decode_value(fields: Any, data: bytes, start: int) -> tuple[Value | None, int]:
    """Return a value and where the next one's bytes begin."""
    if fields is None:
        return None, start
    if fields["body"] is not None:
        return Value(**fields, inline=None), start
    end = start + fields["size"]
    inline = data[start:end]
    if sha256(inline).hexdigest() != fields["sha256"]:
        raise ValueError("the value's bytes do not have their SHA-256")
    return Value(**fields, inline=inline), end
