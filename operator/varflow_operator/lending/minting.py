"""Asks a token service (STS) for credentials that a policy limits; the one edge to it.

MinIO answers at the store's own address, whatever the role is called; AWS has a service of its own
and wants a role that the operator may assume. Of the many servers that have none, some answer with
an error of their own, some with a page. Whatever tells that asking again would not help is
`NotLent`; the rest is `StoreUnavailable`.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from botocore import exceptions as botocore_errors
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from varflow.errors import StoreUnavailable, VarflowError
from varflow.variables.stores import s3_client
from varflow.variables.stores.credentials import Credentials, LentCredentials
from varflow_operator.lending import terms
from varflow_operator.lending.modes import NotLent

_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 15
_TRIES: Final = 3
_PASSING_CODES: Final = frozenset(
    {"Throttling", "ThrottlingException", "RequestLimitExceeded", "SlowDown", "RequestTimeout"}
)
_PASSING_ERRORS: Final = (
    botocore_errors.ConnectionError,
    botocore_errors.HTTPClientError,
    botocore_errors.CredentialRetrievalError,
    botocore_errors.MetadataRetrievalError,
    HTTPError,
    OSError,
)
_NO_ROLE: Final = "arn:aws:iam::000000000000:role/varflow"
"""Servers that have no roles want one to be named."""
_MESSAGE_LENGTH: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where credentials are asked for, and as whom."""

    endpoint: str
    """Empty: AWS."""
    region: str
    role: str
    """Empty where there are none."""
    credentials: Credentials | None
    """None: those of the process."""

    @property
    def partition(self) -> str:
        """Of AWS' regions, the one that the role is in."""
        parts = self.role.split(":")
        return parts[1] if len(parts) > 1 and parts[1].startswith("aws") else "aws"


class Mint:
    """A token service, from the first question on."""

    def __init__(self, desk: Desk) -> None:
        self.desk: Final = desk
        self._lock: Final = threading.Lock()
        self._client: Any = None

    async def mint(self, policy: str, *, name: str) -> LentCredentials:
        """Return new credentials.

        Args:
            policy: what they are good for.
            name: whose they are, for the service's log.

        Raises:
            NotLent: the service refuses, or there is none.
            StoreUnavailable: it is away.
        """
        return await asyncio.to_thread(self._mint, policy, name)

    def _mint(self, policy: str, name: str) -> LentCredentials:
        with _translating(self.desk.endpoint or "AWS"):
            answer = self._find_client().assume_role(
                RoleArn=self.desk.role or _NO_ROLE,
                RoleSessionName=name,
                Policy=policy,
                DurationSeconds=terms.LIFE_SECONDS,
            )
        return _read(answer["Credentials"])

    def _find_client(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._make_client()
            return self._client

    def _make_client(self) -> Any:
        from botocore.config import Config

        session = s3_client.make_session()
        return session.create_client(
            "sts",
            **s3_client.identity_of(self.desk.credentials),
            endpoint_url=self.desk.endpoint or None,
            region_name=s3_client.region_of(self.desk.region, session),
            config=Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"mode": "standard", "total_max_attempts": _TRIES},
            ),
        )


def _read(answer: dict[str, Any]) -> LentCredentials:
    return LentCredentials(
        credentials=Credentials(
            access_key_id=answer["AccessKeyId"],
            secret_access_key=answer["SecretAccessKey"],
            session_token=answer["SessionToken"],
        ),
        expires_at=answer["Expiration"].timestamp(),
    )


@contextlib.contextmanager
def _translating(place: str) -> Iterator[None]:
    what = f"cannot get limited credentials for sidecars from {place}"
    try:
        yield
    except botocore_errors.ClientError as error:
        raise _answered(error, what) from error
    except _PASSING_ERRORS as error:
        raise StoreUnavailable(f"{what}: {_short(str(error))}; try again") from error
    except (botocore_errors.BotoCoreError, ResponseParserError, KeyError) as error:
        raise NotLent(f"{what}: {_short(str(error))}") from error


def _answered(error: botocore_errors.ClientError, what: str) -> VarflowError:
    told = error.response.get("Error", {})
    code = str(told.get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    said = f"{what}: {status} {code}: {_short(str(told.get('Message', '')))}"
    return StoreUnavailable(f"{said}; try again") if _passes(status, code) else NotLent(said)


def _passes(status: int, code: str) -> bool:
    is_broken = status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED
    return is_broken or status == HTTPStatus.TOO_MANY_REQUESTS or code in _PASSING_CODES


def _short(text: str) -> str:
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= _MESSAGE_LENGTH else line[: _MESSAGE_LENGTH - 1] + "…"
