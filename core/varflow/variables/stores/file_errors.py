"""What the operating system's errors mean to the callers of the file driver.

One table for all of its modules. An I/O error counts as *away*: the driver writes every record
anew under a new name, so trying again is sound even after a failed fsync, and disks behind a
network come back. Running out of descriptors or memory passes too. A missing file is no error
here: what it means depends on the call, which handles it before it asks this table.
"""

from __future__ import annotations

import errno
from typing import Final

from varflow.errors import StoreError, StoreFull, StoreReadOnly, StoreUnavailable

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_AWAY: Final = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.EHOSTDOWN,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENODEV,
        errno.ENOENT,
        errno.ENOMEM,
        errno.ENOTCONN,
        errno.ENXIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)


def failed_read(error: OSError, file: str) -> StoreError:
    """Return the error that tells why `file` could not be read."""
    if error.errno in _AWAY:
        return StoreUnavailable(f"cannot read {file}: {_reason(error)}; try again")
    return StoreError(f"cannot read {file}: {_reason(error)}")


def failed_write(error: OSError, file: str) -> StoreError:
    """Return the error that tells why `file` could not be written, made or removed."""
    said = f"cannot write {file}: {_reason(error)}"
    if error.errno in _FULL:
        return StoreFull(f"{said}; make room and try again")
    if error.errno in _REFUSED:
        return StoreReadOnly(f"{said}; the store's folder must be writable")
    if error.errno in _AWAY:
        return StoreUnavailable(f"{said}; try again")
    return StoreError(said)


def _reason(error: OSError) -> str:
    if error.errno == errno.EBADF:
        return "the store is not open"
    return error.strerror or str(error)
