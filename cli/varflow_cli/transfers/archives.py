"""How the variables of a scope stand in a tar archive, for people and for `var import`. PURE.

    manifest-000001.json     what is known of the values that come next: key, type, expiry, …
    variables/settings       their bytes, in files that are called like their keys
    variables/…
    manifest-000002.json     the next few hundred, when there are more
    …

A manifest comes before its values, so that both ways stream through a pipe, and stands outside of
their folder, so that no key can be its name. The file's name is the key where every file system can
hold it; else it is changed until one can, also where `A` and `a` are the same file, and the
manifest has the key.

Rejected: one manifest at the front (the values may change before they are read), one at the end (a
value's type would be known after its bytes), pax headers alone (nobody sees them).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from varflow.errors import InvalidArchive, InvalidInput
from varflow.variables import conversions, keys
from varflow.variables.variables import VariableInfo
from varflow_sidecar.web import times

FOLDER: Final = "variables/"
MANIFEST: Final = re.compile(r"manifest-\d{6,}\.json")
MAX_MANIFEST_BYTES: Final = 4 * 1024 * 1024
"""Longer than any that is written: with 500 entries of the longest keys and types 1 MiB."""

_FORMAT: Final = 1
_NAME_BYTES: Final = 200
_REFUSED: Final = re.compile(r'[\\:*?"<>|]|^[~-]|[. ]$')
"""What some file system or tool does not take: in a name, at its start, at its end."""
_DEVICE: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the archive says about one file."""

    file: str
    key: str
    content_type: str
    expires_at: float | None


class FileNames:
    """The names of the files in one archive; no two are the same on any file system."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def choose(self, key: str) -> str:
        """Return the name of a key's file."""
        plain = _holdable(key)
        name, count = plain, 1
        while (fingerprint := hash(_folded(name))) in self._taken:
            count += 1
            name = f"{plain}~{count}"
        self._taken.add(fingerprint)
        return FOLDER + name


def manifest_name(number: int) -> str:
    """Return the name of a manifest, from 1."""
    return f"manifest-{number:06d}.json"


def encode_manifest(described: Sequence[tuple[str, VariableInfo]], *, scope: str) -> bytes:
    """Return a manifest of files and the variables whose bytes they have."""
    entries = [
        {
            "file": file,
            "key": info.key,
            "contentType": info.content_type,
            "size": info.size,
            "revision": info.rev,
            "createdAt": times.shown(info.created_at),
            "updatedAt": times.shown(info.updated_at),
            "expiresAt": times.find_shown(info.expires_at),
            "writer": info.writer,
        }
        for file, info in described
    ]
    whole = {"varflow": _FORMAT, "scope": scope, "variables": entries}
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def decode_manifest(data: bytes, *, name: str) -> list[Entry]:
    """Read a manifest.

    Raises:
        InvalidArchive: it is none of this version; names it and what is wrong.
    """
    try:
        whole = orjson.loads(data)
        if whole["varflow"] != _FORMAT:
            raise ValueError(f"it has version {whole['varflow']}, this program reads {_FORMAT}")
        return [_decode_entry(fields) for fields in whole["variables"]]
    except (KeyError, TypeError, ValueError, AttributeError, InvalidInput) as error:
        raise InvalidArchive(f"{name} is no manifest of exported variables: {error}") from error


def _decode_entry(fields: dict[str, Any]) -> Entry:
    file, content_type, expires = fields["file"], fields["contentType"], fields.get("expiresAt")
    if not isinstance(file, str) or keys.find_fault(file.removeprefix(FOLDER)) is not None:
        raise ValueError(f"{ascii(file)[:80]} is no name of a file in it")
    if not file.startswith(FOLDER):
        raise ValueError(f"{keys.shown(file)} is not in {FOLDER}")
    return Entry(
        file=file,
        key=keys.parse(fields["key"]),
        content_type=conversions.check_content_type(content_type) or conversions.OCTET_STREAM,
        expires_at=None if expires is None else datetime.fromisoformat(expires).timestamp(),
    )


def _holdable(key: str) -> str:
    name = _REFUSED.sub(_hexed, key)
    if _DEVICE.match(name):
        name = f"%{ord(name[0]):02X}{name[1:]}"
    return name.encode()[:_NAME_BYTES].decode(errors="ignore")


def _hexed(match: re.Match[str]) -> str:
    return f"%{ord(match[0]):02X}"


def _folded(name: str) -> str:
    """Return what two names have in common that some file system takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
