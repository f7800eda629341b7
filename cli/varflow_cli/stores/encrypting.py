"""Encryption of stores on this machine: off, unless the environment has keys.

They are those of a cluster's namespace, to read its bucket from here, or some of one's own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from varflow.errors import InvalidInput
from varflow.variables.encryption import wrapping
from varflow.variables.stores.base import ObjectStore
from varflow_cli.console.failures import Mistake

POLICY: Final = "VARFLOW_ENCRYPTION"
KEYS: Final = "VARFLOW_ENCRYPTION_KEYS"
KEY_FILE: Final = "VARFLOW_ENCRYPTION_KEY_FILE"

VARIABLES: Final = frozenset({POLICY, KEYS, KEY_FILE})
"""What functions on this machine are not told."""


def wrap(store: ObjectStore, environ: Mapping[str, str] = os.environ) -> ObjectStore:
    """Return the store behind the keys that the environment has, or as it is.

    Raises:
        Mistake: it says something that cannot be.
    """
    keys, source = _read(environ)
    try:
        return wrapping.wrap_as_told(
            store, policy=environ.get(POLICY, ""), keys=keys, source=source
        )
    except InvalidInput as error:
        raise Mistake(error.message) from error


def _read(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the keys' text, and where it was."""
    file = environ.get(KEY_FILE)
    if not file:
        return environ.get(KEYS, ""), KEYS
    if environ.get(KEYS):
        raise Mistake(f"give {KEYS} or {KEY_FILE}, not both")
    try:
        text = Path(file).read_text(encoding="ascii")
    except OSError as error:
        raise Mistake(f"{KEY_FILE} {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Mistake(f"{KEY_FILE} {file} holds no keys: it is no text") from error
    if not text.strip():  # which must not mean that values are written plainly
        raise Mistake(f"{KEY_FILE} {file} holds no keys: it is empty")
    return text, file
