"""What the answers and failures of an S3 server mean to the callers of the driver.

`translating` is the one edge: every request goes through it. An answer is told by its code, which
servers agree on more than on the status, then by its status. Some outcomes are errors that the
driver itself handles: `Missing`, `NoBucket`, `BeyondEnd`, and of `StoreUnavailable` the two that
differ in what has become of the request: a *refused* one had no effect, a *lost* one may have had
its effect, may have it yet, or never. Whichever of them reaches a caller is a `StoreError` that
says enough.

A 404 counts as "there is no such object" only where the server says `NoSuchKey`: a bucket that is
gone, a proxy's own page or a wrong endpoint are failures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from botocore import exceptions as botocore_errors
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from varflow.errors import StoreError, StoreFull, StoreMissing, StoreReadOnly, StoreUnavailable
from varflow.variables.stores.base import Conflict


class Missing(StoreError):
    """There is no object with this key, or no such upload."""


class NoBucket(StoreMissing):
    """There is no bucket with this name."""


class BeyondEnd(StoreError):
    """The object ends before the range that was asked for."""


class Refused(StoreUnavailable):
    """The server did not take the request, and asks to come back later."""


class Lost(StoreUnavailable):
    """No answer that says what became of the request."""


_CREDENTIALS: Final = (
    "check the access key, its secret and the session token: AWS_ACCESS_KEY_ID,"
    " AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, or what the store's Secret holds"
)
_RENEWAL: Final = "the session token has ended: whoever gave it has to give another one"
_NO_CREDENTIALS: Final = (
    "give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or run where there is a"
    " role to take"
)
_RIGHTS: Final = "the access key needs s3:GetObject on the prefix and s3:ListBucket on the bucket"
_WRITE_RIGHTS: Final = (
    "the access key needs s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on the prefix"
)
_PLACE: Final = (
    "check the endpoint and the region in the store's URL, and the AWS settings of this process"
)
_BUCKET: Final = "create it, or have what writes make it: createBucket=true in the store's URL"
_CLOCK: Final = "set this machine's clock"
_ROOM: Final = "make room and try again"
_AGAIN: Final = "try again"
_CONDITIONS: Final = (
    "the server lacks what Varflow needs: conditional writes, multipart uploads and listings"
)

_Meaning = tuple[type[StoreError], str]

_BY_CODE: Final[dict[str, _Meaning]] = {
    "NoSuchKey": (Missing, "it is not there"),
    "NoSuchUpload": (Missing, "it is not there"),
    "InvalidRange": (BeyondEnd, "it is shorter than expected"),
    "NoSuchBucket": (NoBucket, _BUCKET),
    "ConditionalRequestConflict": (Refused, _AGAIN),
    "OperationAborted": (Refused, _AGAIN),
    "SlowDown": (Lost, _AGAIN),  # MinIO's word, too, when some of its drives have stored it
    "SlowDownRead": (Refused, _AGAIN),
    "SlowDownWrite": (Lost, _AGAIN),
    "Throttling": (Refused, _AGAIN),
    "ThrottlingException": (Refused, _AGAIN),
    "TooManyRequests": (Refused, _AGAIN),
    "RequestLimitExceeded": (Refused, _AGAIN),
    "BandwidthLimitExceeded": (Refused, _AGAIN),
    "RequestTimeout": (Lost, _AGAIN),
    "InsufficientStorage": (StoreFull, _ROOM),
    "XMinioStorageFull": (StoreFull, _ROOM),
    "XMinioAdminBucketQuotaExceeded": (StoreFull, _ROOM),
    "QuotaExceeded": (StoreFull, _ROOM),
    "InvalidAccessKeyId": (StoreError, _CREDENTIALS),
    "SignatureDoesNotMatch": (StoreError, _CREDENTIALS),
    "ExpiredToken": (Refused, _RENEWAL),
    "XAdminUserNotFound": (StoreError, _CREDENTIALS),  # versitygw's word for an unknown key
    "InvalidToken": (StoreError, _CREDENTIALS),
    "InvalidTokenId": (StoreError, _CREDENTIALS),
    "RequestTimeTooSkewed": (StoreError, _CLOCK),
    "PermanentRedirect": (StoreError, _PLACE),
    "AuthorizationHeaderMalformed": (StoreError, _PLACE),
}
_BY_STATUS: Final[dict[int, _Meaning]] = {
    HTTPStatus.MOVED_PERMANENTLY: (StoreError, _PLACE),
    HTTPStatus.FORBIDDEN: (StoreError, _RIGHTS),
    HTTPStatus.NOT_FOUND: (StoreError, _PLACE),
    HTTPStatus.REQUEST_TIMEOUT: (Lost, _AGAIN),
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: _BY_CODE["InvalidRange"],
    HTTPStatus.TOO_MANY_REQUESTS: (Refused, _AGAIN),
    HTTPStatus.NOT_IMPLEMENTED: (StoreError, _CONDITIONS),
    HTTPStatus.INSUFFICIENT_STORAGE: (StoreFull, _ROOM),
}

_UNSENT: Final = (
    botocore_errors.EndpointConnectionError,
    botocore_errors.ConnectTimeoutError,
    botocore_errors.ProxyConnectionError,
    botocore_errors.CredentialRetrievalError,
    botocore_errors.MetadataRetrievalError,
)
"""Failures before the request was on its way, which pass."""

_UNANSWERED: Final = (
    botocore_errors.ConnectionError,
    botocore_errors.HTTPClientError,
    botocore_errors.IncompleteReadError,
    ResponseParserError,
    HTTPError,
    OSError,
)

_UNKNOWN: Final = (
    botocore_errors.NoCredentialsError,
    botocore_errors.PartialCredentialsError,
)

_MESSAGE_LENGTH: Final = 300


@contextmanager
def translating(what: str, *, is_write: bool = False) -> Iterator[None]:
    """Do a request; `what` completes "cannot …".

    Raises:
        Conflict: a precondition did not hold.
        Missing, BeyondEnd, Refused, Lost: see the classes.
        StoreError: the request failed otherwise.
    """
    try:
        yield
    except botocore_errors.ClientError as error:
        raise _answered(error, what, is_write=is_write) from error
    except (botocore_errors.BotoCoreError, *_UNANSWERED) as error:
        kind, advice = _meaning_of_failure(error)
        raise kind(f"cannot {what}: {_short(str(error))}; {advice}") from error
    except KeyError as error:
        raise Lost(f"cannot {what}: the answer has no {error}, as S3's has; {_AGAIN}") from error


def _answered(error: botocore_errors.ClientError, what: str, *, is_write: bool) -> Exception:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code == "PreconditionFailed" or status == HTTPStatus.PRECONDITION_FAILED:
        return Conflict()
    if _is_cut(error.response, code, status):
        return Lost(f"cannot {what}: {status}, and the rest of the answer is missing; {_AGAIN}")
    kind, advice = _meaning_of_answer(code, status, is_write=is_write)
    said = str(error.response.get("Error", {}).get("Message", ""))
    reason = ": ".join(part for part in (code or str(status), _short(said)) if part)
    return kind(f"cannot {what}: {reason}; {advice}")


def _is_cut(response: Mapping[str, Any], code: str, status: int) -> bool:
    """Return whether the server named its error, but the connection broke before the name.

    The SDK then takes the status for the name, as it does when nothing but the status was sent, or
    a page of something that is no S3 server.
    """
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    is_xml = "xml" in headers.get("content-type", "")
    return code == str(status) and is_xml and headers.get("content-length") != "0"


def _meaning_of_answer(code: str, status: int, *, is_write: bool) -> _Meaning:
    if code in _BY_CODE:
        return _BY_CODE[code]
    if is_write and status == HTTPStatus.FORBIDDEN:
        return StoreReadOnly, _WRITE_RIGHTS
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Lost, _AGAIN
    return StoreError, "see what the server's documentation says about it"


def _meaning_of_failure(error: Exception) -> _Meaning:
    if isinstance(error, _UNKNOWN):
        return StoreError, _NO_CREDENTIALS
    if isinstance(error, _UNSENT):
        return Refused, _AGAIN
    if isinstance(error, _UNANSWERED):
        return Lost, _AGAIN
    return StoreError, _PLACE


def _short(text: str) -> str:
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= _MESSAGE_LENGTH else line[: _MESSAGE_LENGTH - 1] + "…"
