"""The headers of a tar archive, written and read. PURE.

`tarfile` costs 32 µs a member and its filters are no security boundary (CVE-2026-82049), so packing
and extracting have these 512 bytes in their own hands. Written is plain ustar, with a pax header in
front where that cannot hold the name or the size; names stay the bytes that the file system has.
Read is whatever GNU tar, bsdtar, Go and Python write for files and folders: ustar, pax, GNU long
names and base-256 numbers. The difference to a general reader is that every doubt is an error.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from varflow.errors import InvalidArchive

BLOCK: Final = 512
"""Everything in an archive is a whole number of these."""

END: Final = bytes(2 * BLOCK)
"""What an archive ends with."""

FILE: Final = b"0"
OLD_FILE: Final = b"\0"
"""A file in archives older than ustar; with a trailing slash in the name, a folder."""
FOLDER: Final = b"5"
PAX: Final = b"x"
PAX_GLOBAL: Final = b"g"
GNU_LONG_NAME: Final = b"L"
GNU_LONG_LINK: Final = b"K"
REFUSED: Final = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a fifo",
    b"S": "a sparse file",
}
"""What archives hold elsewhere, and here nobody takes from one."""

MAX_META_BYTES: Final = 64 * 1024
"""Longest pax header or GNU long name: sixteen times the longest path of Linux."""

_NAME_BYTES: Final = 100
_MAX_OCTAL_SIZE: Final = 8**11 - 1
_LAYOUT: Final = struct.Struct("100s8s8s8s12s12s8sc100s6s2s32s32s8s8s155s12x")
_PAX_NAME: Final = b"././@PaxHeader"


@dataclass(frozen=True, slots=True)
class Header:
    """What one header says; `name` is empty for Direktiv's root entry."""

    name: bytes
    type: bytes
    mode: int
    size: int


def padding(size: int) -> int:
    """Return how many bytes follow `size` bytes of data up to the next block."""
    return -size % BLOCK


def encode(name: bytes, *, mode: int, size: int = 0, is_folder: bool = False) -> bytes:
    """Return the blocks in front of a member's data: without owner and time, so reproducible."""
    if is_folder:
        name += b"/"
    kind = FOLDER if is_folder else FILE
    records = _pax_records(name, size)
    if not records:
        return _block(name, mode=mode, size=size, kind=kind)
    return (
        _block(_PAX_NAME, mode=0o644, size=len(records), kind=PAX)
        + records
        + bytes(padding(len(records)))
        + _block(name[:_NAME_BYTES], mode=mode, size=min(size, _MAX_OCTAL_SIZE), kind=kind)
    )


def decode(block: bytes) -> Header | None:
    """Read one header block; None for a block of zeros, which ends an archive.

    Raises:
        InvalidArchive: it is not a header.
    """
    if not any(block):
        return None
    fields = _LAYOUT.unpack(block)
    if _number(fields[6]) != sum(block[:148]) + 8 * 0x20 + sum(block[156:]):
        raise InvalidArchive("not a tar archive, or a damaged one: a header's checksum is wrong")
    name = _text(fields[0])
    prefix = _text(fields[15]) if fields[9] == b"ustar\0" else b""
    return Header(
        name=prefix + b"/" + name if prefix else name,
        type=fields[7],
        mode=_number(fields[1]) & 0o7777,
        size=_number(fields[4]),
    )


def decode_pax(data: bytes) -> dict[bytes, bytes]:
    """Read the records of a pax header.

    Raises:
        InvalidArchive: they are damaged.
    """
    records: dict[bytes, bytes] = {}
    while data:
        digits, separator, _rest = data.partition(b" ")
        if not separator or not digits.isdigit() or len(digits) > len(str(len(data))):
            raise InvalidArchive("damaged pax header: a record has no length")
        record = data[len(digits) + 1 : int(digits)]
        key, separator, value = record.partition(b"=")
        if not separator or not value.endswith(b"\n"):
            raise InvalidArchive("damaged pax header: a record is not 'key=value'")
        records[key] = value[:-1]
        data = data[int(digits) :]
    return records


def decode_overrides(data: bytes, kind: bytes) -> dict[bytes, bytes]:
    """Return the path and the size that a pax header gives the member after it.

    Raises:
        InvalidArchive: it is damaged, or says what no archive may.
    """
    records = decode_pax(data)
    if any(key.startswith(b"GNU.sparse.") for key in records):
        raise InvalidArchive("the archive holds a sparse file; pack it without --sparse")
    found = {key: value for key, value in records.items() if key in {b"path", b"size"}}
    if found and kind == PAX_GLOBAL:
        raise InvalidArchive("the archive gives all its members the same name or size")
    return found


def parse_pax_size(text: bytes) -> int:
    """Return a size given by a pax header.

    Raises:
        InvalidArchive: it is not a number that a file's size can be.
    """
    if not text.isdigit() or len(text) > len(str(2**63)):
        raise InvalidArchive(f"damaged pax header: size {ascii(text.decode('latin-1'))[:40]}")
    return int(text)


def _block(name: bytes, *, mode: int, size: int, kind: bytes) -> bytes:
    block = bytearray(
        _LAYOUT.pack(
            name,
            b"%07o" % mode,
            b"%07o" % 0,
            b"%07o" % 0,
            b"%011o" % size,
            b"%011o" % 0,
            b" " * 8,
            kind,
            b"",
            b"ustar\0",
            b"00",
            b"",
            b"",
            b"%07o" % 0,
            b"%07o" % 0,
            b"",
        )
    )
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _pax_records(name: bytes, size: int) -> bytes:
    records = b""
    if len(name) > _NAME_BYTES:
        if not _is_utf8(name):
            records += _pax_record(b"hdrcharset", b"BINARY")
        records += _pax_record(b"path", name)
    if size > _MAX_OCTAL_SIZE:
        records += _pax_record(b"size", b"%d" % size)
    return records


def _pax_record(key: bytes, value: bytes) -> bytes:
    r"""Return `<length> key=value\n`, where the length counts itself."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    if field[0] == 0x80:
        return int.from_bytes(field[1:])
    text = field.replace(b"\0", b" ").strip()
    if not text:
        return 0
    try:
        value = int(text, 8)
    except ValueError:
        value = -1
    if value < 0:
        raise InvalidArchive("not a tar archive, or a damaged one: a header holds no valid number")
    return value
