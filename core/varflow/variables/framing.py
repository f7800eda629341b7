r"""How records and decisions stand in the store: one line of JSON, then raw bytes. PURE.

    {"varflow":1,"crc":"5d1f0a3c","current":{…},"pending":null,…}\\n<bytes><bytes>

A person can read the first line with `head -1`; a program decodes it with one call and never
copies or re-codes the values behind it (base64 inside the JSON would cost a third more bytes and
three times the work). The line begins with the version, so that a layout of the future is told
from damage, and carries a CRC-32 of the rest of itself: a flipped bit in a revision or an expiry
would otherwise be believed. What follows the line is covered by the values' own SHA-256.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from zlib import crc32

import orjson

from varflow.errors import CorruptObject, EncryptionKeyMissing
from varflow.variables import paths
from varflow.variables.encryption import headers

_BEGIN: Final = b'{"varflow":%d,"crc":"' % paths.LAYOUT
_CRC_END: Final = len(_BEGIN) + 8
_REST: Final = _CRC_END + 2
"""Where the fields begin, behind `",`."""


def join(header: Mapping[str, Any], *parts: bytes) -> bytes:
    """Return the object's bytes: `header`, which has at least one field, then `parts`."""
    rest = orjson.dumps(header)[1:]
    return b"".join((_BEGIN, b"%08x" % crc32(rest), b'",', rest, b"\n", *parts))


def split(data: bytes, *, path: str) -> tuple[dict[str, Any], int]:
    """Return an object's header and where the raw bytes begin.

    Raises:
        CorruptObject: no header of this version stands at the beginning; names `path`.
        EncryptionKeyMissing: it is encrypted.
    """
    end = data.find(b"\n")
    rest = data[_REST:end]
    if headers.is_sealed(data):
        raise EncryptionKeyMissing(
            f"{paths.describe(path)} is encrypted, and this program was given no keys"
        )
    if not data.startswith(_BEGIN) or end < 0:
        raise CorruptObject(f"{path} does not begin with a header of layout {paths.LAYOUT}")
    if data[_CRC_END:_REST] != b'",' or data[len(_BEGIN) : _CRC_END] != b"%08x" % crc32(rest):
        raise CorruptObject(f"{path} has a damaged header: its checksum does not fit")
    try:
        header = orjson.loads(b"{" + rest)
    except orjson.JSONDecodeError as error:
        raise CorruptObject(f"{path} has a header that is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise CorruptObject(f"{path} has a header that is not a JSON object")
    return header, end + 1
