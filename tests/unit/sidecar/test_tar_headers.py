"""What is written is what `tarfile` reads."""

from __future__ import annotations

import io
import os
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varflow_sidecar.files import tar_headers

NAMES = st.binary(min_size=1, max_size=400).map(lambda name: name.replace(b"\0", b"x").strip(b"/"))


@given(
    name=NAMES.filter(bool),
    mode=st.integers(0, 0o777),
    size=st.integers(0, 2000),
    is_folder=st.booleans(),
)
def test_headers_are_what_tarfile_reads(
    name: bytes, mode: int, size: int, *, is_folder: bool
) -> None:
    size = 0 if is_folder else size
    head = tar_headers.encode(name, mode=mode, size=size, is_folder=is_folder)
    data = head + bytes(size) + bytes(tar_headers.padding(size)) + tar_headers.END

    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        [member] = archive.getmembers()

    assert os.fsencode(member.name) == name.rstrip(b"/")
    assert (member.mode, member.size, member.isdir()) == (mode, size, is_folder)
    assert (member.uid, member.gid, member.mtime) == (0, 0, 0)


@pytest.mark.parametrize("size", [8**11 - 1, 8**11, 10**13])
def test_sizes_beyond_eight_gigabytes_are_kept(size: int) -> None:
    head = tar_headers.encode(b"large", mode=0o644, size=size)

    with tarfile.open(fileobj=io.BytesIO(head)) as archive:
        info = archive.next()

    assert info is not None
    assert info.size == size


@given(name=NAMES, size=st.integers(0, 8**11 - 1), mode=st.integers(0, 0o7777))
def test_short_headers_are_read_back(name: bytes, size: int, mode: int) -> None:
    head = tar_headers.encode(name[:100], mode=mode & 0o777, size=size)

    found = tar_headers.decode(head)

    assert found == tar_headers.Header(name[:100], b"0", mode & 0o777, size)


@given(
    st.dictionaries(
        st.binary(min_size=1, max_size=9).map(lambda key: key.replace(b"=", b"_")), st.binary()
    )
)
def test_pax_records_are_read_back(records: dict[bytes, bytes]) -> None:
    data = b"".join(tar_headers._pax_record(key, value) for key, value in records.items())

    assert tar_headers.decode_pax(data) == records


def test_a_block_of_zeros_ends_an_archive() -> None:
    assert tar_headers.decode(bytes(512)) is None
