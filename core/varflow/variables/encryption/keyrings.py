"""The keys of a namespace: one to write with, and older ones that can still be read with. PURE.

As text, which a Secret, an environment variable and a file have alike, they stand one after the
other in base64, between spaces, commas or line ends; the first is the one to write with:

    3q2+7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
    yv66vgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=

What is sealed names its key by an id that is computed from the key. So no id can be given to
another key by mistake, and a wrong key is told from a damaged object.

Rejected: names that people choose for keys. They would be one more thing to keep right in every
copy, and the same name for two keys would look like damage.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from typing import Final

from varflow.errors import InvalidInput

KEY_BYTES: Final = 32
"""Of AES-256."""
ID_BYTES: Final = 8

_MOST: Final = 64
"""More older keys than anybody rotates through; a longer text is another file."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key; its text shows the id only."""

    id: bytes
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> Key:
        """Return the key with these bytes, of which there must be `KEY_BYTES`."""
        return cls(hmac.digest(secret, b"varflow key id 1", "sha256")[:ID_BYTES], secret)

    @property
    def name(self) -> str:
        """The id for people."""
        return self.id.hex()


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys of a namespace; there is at least one."""

    keys: tuple[Key, ...]
    """The first is the one to write with."""

    @property
    def current(self) -> Key:
        """The key to write with."""
        return self.keys[0]

    def find(self, key_id: bytes) -> Key | None:
        """Return the key with this id, if it is here."""
        return next((key for key in self.keys if key.id == key_id), None)

    def added(self, secret: bytes) -> KeyRing:
        """Return these keys and another one, which can be read with and is not written with yet.

        Raises:
            InvalidInput: there are as many as there may be.
        """
        if len(self.keys) >= _MOST:
            raise InvalidInput(
                f"there are {_MOST} keys, and more cannot be; remove what is not used"
            )
        return KeyRing((*self.keys, Key.of(secret)))

    def using(self, key: Key) -> KeyRing:
        """Return the same keys, `key` being the one to write with."""
        return KeyRing((key, *(it for it in self.keys if it.id != key.id)))

    def without(self, key: Key) -> KeyRing:
        """Return the same keys but one, which is not the one to write with."""
        return KeyRing(tuple(it for it in self.keys if it.id != key.id))

    def encode(self) -> str:
        """Return the text that says what this value says."""
        return "".join(f"{base64.b64encode(key.secret).decode()}\n" for key in self.keys)

    @classmethod
    def decode(cls, text: str, *, source: str) -> KeyRing:
        """Read keys.

        Args:
            text: See the module.
            source: Where it was found, for the message.

        Raises:
            InvalidInput: it holds no keys; shows none of it.
        """
        words = text.replace(",", " ").split()
        if not 0 < len(words) <= _MOST:
            raise InvalidInput(f"{source} holds {len(words)} encryption keys, not 1 to {_MOST}")
        keys = [Key.of(_parse(word, number, source)) for number, word in enumerate(words, 1)]
        return cls(tuple({key.id: key for key in keys}.values()))


def _parse(word: str, number: int, source: str) -> bytes:
    try:
        secret = base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != KEY_BYTES:
        # `from None`, and no part of the text: it may be most of a key
        raise InvalidInput(
            f"encryption key {number} in {source} is not the base64 of {KEY_BYTES} bytes"
        ) from None
    return secret
