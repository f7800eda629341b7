"""What a workflow's sidecars need to know and nobody else may. PURE."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from varflow.variables.encryption.keyrings import KeyRing
from varflow.variables.stores.credentials import Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Secrets of a workflow's sidecars; its text shows none."""

    token: str = field(repr=False)
    store: str = field(repr=False)
    """URL of the store, as sidecars reach it."""
    credentials: Credentials | None = None
    """None leaves it to what the cloud gives the pod."""
    is_lent: bool = False
    """Others are in the namespace's Secret, limited and renewed there; pods mount that."""
    keys: KeyRing | None = None
    """What the namespace's variables are encrypted with; pods read them where the operator does."""

    def environ(self) -> dict[str, str]:
        """Return the sidecars' environment variables that come from the workflow's own Secret."""
        return {
            "VARFLOW_TOKEN": self.token,
            "VARFLOW_STORE": self.store,
            **(_credentials(self.credentials) if self.credentials and not self.is_lent else {}),
        }

    def mark(self) -> str:
        """Return a text that changes with the content and tells nothing about it."""
        content = "\0".join(f"{name}={value}" for name, value in sorted(self.environ().items()))
        if self.keys is not None:
            content += f"\0{self.keys.encode()}"
        return hmac.new(self.token.encode(), content.encode(), hashlib.sha256).hexdigest()[:16]


def _credentials(credentials: Credentials) -> dict[str, str]:
    """Return the environment variables that boto3 reads."""
    given = {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
    }
    return {name: value for name, value in given.items() if value}
