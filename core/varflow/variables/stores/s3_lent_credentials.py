"""Credentials out of a file that is written anew while we run, as botocore wants them.

botocore asks at the signing of each request. The file is read again when the last look is older
than a second, so what replaces lost or withdrawn credentials is used at once, and a request costs
no more than before. With credentials that have ended nothing is sent: that is the failure of a
moment (`StoreUnavailable`), which callers wait out, since whoever lends will write the next ones.

Rejected: the SDK's refreshable credentials, which ask again shortly before the end and not before,
and end in an error of no kind when nothing newer is there; `credential_process`, a program for each
look; telling sidecars over HTTP, which needs the control plane at the very moment when it is away.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import CredentialRetrievalError

from varflow.errors import InvalidMessage
from varflow.variables.stores.credentials import CredentialsFile, LentCredentials

_LOOK_SECONDS: Final = 1.0
_SPARE_SECONDS: Final = 30.0
"""So long before their end they are not used: clocks differ, and requests are under way."""
_SOURCE: Final = "the file that the operator writes"


class Lent:
    """botocore's `Credentials`, as far as it asks; for threads."""

    method = "varflow-lent"

    def __init__(self, file: CredentialsFile, *, clock: Callable[[], float] = time.time) -> None:
        """Take the file, and seconds since the epoch."""
        self._path: Final = Path(file.path)
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self._lent: LentCredentials | None = None
        self._looked_at = 0.0

    def get_frozen_credentials(self) -> Any:
        """Return what one request is signed with.

        Raises:
            CredentialRetrievalError: there is nothing of use in the file at present.
        """
        lent = self._find()
        if lent.expires_at - self._clock() < _SPARE_SECONDS:
            raise _complaint(f"they ended at {_shown(lent.expires_at)}; is the operator away?")
        given = lent.credentials
        return ReadOnlyCredentials(
            given.access_key_id, given.secret_access_key, given.session_token
        )

    def get_deferred_property(self, name: str) -> Callable[[], None]:
        """Return how to ask for what only some have, such as an account's number: not we."""
        return lambda: None

    def _find(self) -> LentCredentials:
        with self._lock:
            if self._lent is None or abs(self._clock() - self._looked_at) >= _LOOK_SECONDS:
                self._lent = self._read()
                self._looked_at = self._clock()
            return self._lent

    def _read(self) -> LentCredentials:
        try:
            return LentCredentials.decode(self._path.read_bytes())
        except OSError as error:
            raise _complaint(f"{self._path}: {error.strerror}") from error
        except InvalidMessage as error:
            raise _complaint(f"{self._path}: {error.message}") from error


class Lender:
    """botocore's finder of credentials, which knows one place only."""

    def __init__(self, file: CredentialsFile) -> None:
        self._file: Final = file

    def load_credentials(self) -> Lent:
        """Return them; nothing is read yet."""
        return Lent(self._file)


def _complaint(message: str) -> Exception:
    error: Exception = CredentialRetrievalError(provider=_SOURCE, error_msg=message)
    return error


def _shown(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
