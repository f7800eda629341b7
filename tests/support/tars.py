"""Tar archives, well-formed and hostile, made with the standard library."""

from __future__ import annotations

import gzip
import io
import tarfile


def make_tar(
    *members: tarfile.TarInfo | tuple[str, bytes], dialect: int = tarfile.PAX_FORMAT
) -> bytes:
    """Return an archive; a pair is a file, a name with a slash at its end a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=dialect) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                _add(archive, *member)
    return buffer.getvalue()


def make_tar_gz(*members: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    """Return a compressed archive."""
    return gzip.compress(make_tar(*members))


def member(name: str, *, type: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    """Return a member without data."""
    info = tarfile.TarInfo(name)
    info.type = type
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def raw_member(
    name: bytes, data: bytes = b"", *, type: bytes = b"0", size: bytes | None = None
) -> bytes:
    """Return one member's blocks, with fields that `tarfile` would not write."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108] = b"0000644\0"
    block[124:136] = b"%011o\0" % len(data) if size is None else size
    block[156:157] = type
    block[257:265] = b"ustar\x0000"
    return bytes(resealed(block)) + data + bytes(-len(data) % 512)


def resealed(block: bytearray) -> bytearray:
    """Set a header's checksum."""
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return block


END = bytes(1024)


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name.rstrip("/"))
    if name.endswith("/"):
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))
