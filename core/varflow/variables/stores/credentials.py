"""What a store is asked to believe who we are. Drivers that need none take none.

    Credentials        an access key, as somebody has set it
    LentCredentials    one that ends; as a file in the form of the AWS SDKs' `credential_process`
    CredentialsFile    where the next ones come to be found: a mounted Secret that is written anew

The control plane lends, a sidecar borrows: both write and read the file here only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from varflow.errors import InvalidMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """An access key of an S3 store; its text never shows the secrets."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LentCredentials:
    """Credentials that the store takes until a certain time."""

    credentials: Credentials
    expires_at: float
    """Seconds since the epoch."""

    def encode(self) -> bytes:
        """Return what stands in the file."""
        end = datetime.fromtimestamp(self.expires_at, UTC).isoformat(timespec="seconds")
        return orjson.dumps(
            {
                "Version": 1,
                "AccessKeyId": self.credentials.access_key_id,
                "SecretAccessKey": self.credentials.secret_access_key,
                "SessionToken": self.credentials.session_token,
                "Expiration": end,
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> LentCredentials:
        """Read a file's bytes.

        Raises:
            InvalidMessage: they are no credentials; shows nothing of them.
        """
        try:
            found = orjson.loads(data)
            texts = [found[key] for key in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
            end = datetime.fromisoformat(found["Expiration"])
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            raise InvalidMessage("not credentials with an end") from None
        if end.tzinfo is None or not all(isinstance(text, str) and text for text in texts):
            raise InvalidMessage("not credentials with an end")
        key, secret, token = texts
        return cls(
            credentials=Credentials(
                access_key_id=key, secret_access_key=secret, session_token=token
            ),
            expires_at=end.timestamp(),
        )


@dataclass(frozen=True, slots=True)
class CredentialsFile:
    """A file with `LentCredentials`, which somebody else replaces before they end."""

    path: str
