"""What a sealed object begins with. PURE, and apart from `sealing`, which loads the ciphers.

    89 56 46 45 01   magic and version of the form
    8 bytes          id of the key
    24 bytes         salt, random: what makes the object's own key of the namespace's

No record or decision begins like this. Somebody's plain bytes could, one time in 2^40; where both
kinds are accepted they are refused then rather than shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from varflow.variables.encryption.keyrings import ID_BYTES

MAGIC: Final = b"\x89VFE\x01"
SALT_BYTES: Final = 24
HEADER_BYTES: Final = len(MAGIC) + ID_BYTES + SALT_BYTES

_SALT: Final = len(MAGIC) + ID_BYTES


@dataclass(frozen=True, slots=True)
class Header:
    """Which key opens an object."""

    key_id: bytes
    salt: bytes

    def encode(self) -> bytes:
        """Return the header's bytes."""
        return MAGIC + self.key_id + self.salt

    @classmethod
    def decode(cls, data: bytes) -> Header | None:
        """Return the header that stands at the beginning of `data`; None when none does."""
        if len(data) < HEADER_BYTES or not is_sealed(data):
            return None
        return cls(data[len(MAGIC) : _SALT], data[_SALT:HEADER_BYTES])


def is_sealed(data: bytes) -> bool:
    """Tell whether an object that begins so is a sealed one."""
    return data.startswith(MAGIC)
