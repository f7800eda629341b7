"""What is written encrypted, and what may be read that is not; and who has the keys. PURE."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from varflow.errors import InvalidInput
from varflow.variables.encryption.keyrings import KeyRing


class Policy(StrEnum):
    """The three ways to treat a store."""

    ON = "on"
    """Everything is written encrypted, and nothing else is believed."""
    MIGRATE = "migrate"
    """Everything is written encrypted; what was written plainly before can still be read. Whoever
    may write to the store can then put plain values there."""
    OFF = "off"
    """Everything is written plainly; what was encrypted can be read as long as there are keys."""

    @property
    def writes_sealed(self) -> bool:
        """Whether what is written is encrypted."""
        return self is not Policy.OFF

    @property
    def reads_plain(self) -> bool:
        """Whether plain objects are believed."""
        return self is not Policy.ON


def parse(text: str, *, has_keys: bool) -> Policy:
    """Return the policy with this name; nothing is `on` for whoever has keys.

    Raises:
        InvalidInput: there is none, or it needs keys and there are none.
    """
    try:
        policy = Policy(text or (Policy.ON if has_keys else Policy.OFF))
    except ValueError:
        names = ", ".join(Policy)
        raise InvalidInput(f"encryption {text[:32]!a} is none of {names}") from None
    if policy.writes_sealed and not has_keys:
        raise InvalidInput(f"encryption is {policy}, and no keys are given")
    return policy


class KeySource(Protocol):
    """Who has the keys of namespaces."""

    async def find(self, namespace: str, *, wanted: bytes | None = None) -> KeyRing | None:
        """Return the keys of the namespace with this UID; None when it has none.

        Args:
            namespace: The UID; empty for what belongs to none.
            wanted: Id of a key that was not among them a moment ago: look again.

        Raises:
            EncryptionKeyMissing: the keys are lost; says what to do.
            StoreUnavailable: they cannot be had now.
        """


class SameKeys:
    """The same keys for whatever is asked about: of a process that serves one namespace."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    async def find(self, namespace: str, *, wanted: bytes | None = None) -> KeyRing | None:
        return self._ring
