"""Records in S3: what became of a write whose answer was lost.

A conditional write is one request with `If-Match` or `If-None-Match: *`, and one answer in nearly
all cases. When the connection breaks, the answer takes too long, or the server stumbles (5xx), the
record is read back:

    found                            then
    our bytes                        it took effect
    what the condition asks for      it did not yet: send it again, under the same condition. At
                                     most one of the two takes effect, for each replaces what the
                                     condition names
    anything else                    somebody else has written, before ours took effect or after:
                                     `StoreUnavailable`, since "nothing was written" may be untrue
    that it may not be read          likewise, and when all later tries are refused for good

Comparing bytes is enough because callers put a nonce into each record (`base`), which also keeps
S3's ETags, MD5 sums mostly, from ever coming back: the nonce stands before whatever a stranger
can choose, so no collision can be prepared.

A `Conflict` at the first try is the server's word and costs no further request. So nothing between
here and the server may repeat a PUT on its own: SDK retries are off. A `Conflict` after a refusal
(409, 429) is looked into: a gateway may refuse what the server behind it has stored. It stands when
the record is not ours, for the refusal said that nothing was written.

A write without a condition whose answer was lost is not sent again, since a late first one could
undo what somebody else has written after the second. A removal is: only what nobody will write
again is removed.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from varflow.errors import StoreError, StoreUnavailable
from varflow.variables.stores import s3_repeating
from varflow.variables.stores.base import ABSENT, Condition, Conflict, Versioned
from varflow.variables.stores.s3_bucket import Bucket
from varflow.variables.stores.s3_errors import Lost, Missing
from varflow.variables.stores.s3_repeating import Tries
from varflow.variables.stores.threads import Stop


def get(bucket: Bucket, path: str, stop: Stop) -> Versioned | None:
    """Return a record, or None when the server says that there is none."""
    try:
        return s3_repeating.repeat(functools.partial(bucket.get, path), stop)
    except Missing:
        return None


def delete(bucket: Bucket, path: str, stop: Stop) -> None:
    """Remove an object; that it is not there is no error."""
    s3_repeating.repeat(functools.partial(bucket.delete, path), stop)


def put(bucket: Bucket, path: str, data: bytes, *, condition: Condition, stop: Stop) -> str:
    """Write a record and return its ETag.

    Raises:
        Conflict: the condition did not hold, for certain.
        StoreUnavailable: it is not known whether the write took effect, or it did not.
    """
    stop.check()
    tries = Tries(stop)
    lost: Lost | None = None
    failure: StoreUnavailable | None = None
    while True:
        try:
            with _leaving_open(bucket, path, lost):
                return _put_once(bucket, path, data, condition)
        except Conflict:
            if failure is None:
                raise
            if lost is None:
                return _own_etag(bucket, path, data)
        except StoreUnavailable as error:
            failure = error
            lost = error if isinstance(error, Lost) else lost
        if lost is not None:
            etag = _find_lost(bucket, path, data, condition, lost)
            if etag is not None:
                return etag
        tries.pause(failure)


def _find_lost(
    bucket: Bucket, path: str, data: bytes, condition: Condition, lost: Lost
) -> str | None:
    """Return the ETag of a write whose answer was lost; None when it may be sent again."""
    with _leaving_open(bucket, path, lost):
        found = get(bucket, path, Stop())
    if found is not None and found.data == data:
        return found.etag
    if _is_as_before(found, condition):
        return None
    raise _unknown(bucket, path, "somebody else has written since") from lost


@contextmanager
def _leaving_open(bucket: Bucket, path: str, lost: Lost | None) -> Iterator[None]:
    """Do a request whose failure says nothing of the write before it, whose answer was lost."""
    try:
        yield
    except StoreUnavailable:
        raise
    except StoreError as error:
        if lost is None:
            raise
        raise _unknown(bucket, path, f"then: {error.message}") from error


def _unknown(bucket: Bucket, path: str, why: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"cannot write {bucket.shown(path)}: the answer was lost and {why};"
        " whether this took effect is not known"
    )


def _own_etag(bucket: Bucket, path: str, data: bytes) -> str:
    """Return the record's ETag if it is as we have written it, else raise `Conflict`."""
    found = get(bucket, path, Stop())
    if found is None or found.data != data:
        raise Conflict
    return found.etag


def _put_once(bucket: Bucket, path: str, data: bytes, condition: Condition) -> str:
    try:
        return bucket.put(path, data, condition)
    except Missing as error:
        if not isinstance(condition, str):
            raise
        raise Conflict from error  # AWS' answer to If-Match where nothing is


def _is_as_before(found: Versioned | None, condition: Condition) -> bool:
    """Return whether the record is still what the write was to replace."""
    if condition is ABSENT:
        return found is None
    return found is not None and found.etag == condition
