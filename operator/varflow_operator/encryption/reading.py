"""From a namespace's Secret to its keys. PURE."""

from __future__ import annotations

import base64
import binascii

from varflow.errors import EncryptionKeyMissing, InvalidInput
from varflow.variables.encryption.keyrings import KeyRing
from varflow_operator import names
from varflow_operator.kinds import SECRET, Object


def read(secret: Object) -> KeyRing:
    """Return the keys in a namespace's Secret.

    Raises:
        EncryptionKeyMissing: it holds none.
    """
    shown = SECRET.shown(secret["metadata"]["namespace"], secret["metadata"]["name"])
    try:
        text = base64.b64decode((secret.get("data") or {}).get(names.KEYS_KEY, "")).decode("ascii")
        return KeyRing.decode(text, source=f"{names.KEYS_KEY} of {shown}")
    except (binascii.Error, UnicodeDecodeError):
        raise EncryptionKeyMissing(f"{names.KEYS_KEY} of {shown} is no text") from None
    except InvalidInput as error:
        raise EncryptionKeyMissing(
            f"{error.message}; restore the Secret from your backup of it"
        ) from error
