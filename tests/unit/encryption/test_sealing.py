"""What is sealed opens where it was sealed, whole and unchanged, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.encryption import FIRST, SECOND
from varflow.errors import TamperedObject
from varflow.variables.encryption import sealing
from varflow.variables.encryption.headers import HEADER_BYTES, SALT_BYTES, Header, is_sealed
from varflow.variables.encryption.sealing import SEALED_BYTES, SEGMENT_BYTES

PATH = "v1/c/ns/n/key"
SALT = bytes(SALT_BYTES)
SIZES = st.integers(0, 300) | st.sampled_from(
    [n * SEGMENT_BYTES + more for n in (1, 2, 3) for more in (-1, 0, 1)]
)


def seal(data: bytes, *, path: str = PATH, salt: bytes = SALT) -> bytes:
    return sealing.seal(data, FIRST, path=path, salt=salt)


def open_(sealed: bytes, *, path: str = PATH) -> bytes:
    header = Header.decode(sealed)
    assert header is not None
    return sealing.open_whole(sealed, FIRST, header, path=path)


@given(size=SIZES, salt=st.binary(min_size=SALT_BYTES, max_size=SALT_BYTES))
def test_what_is_sealed_opens(size: int, salt: bytes) -> None:
    data = (salt * (size // SALT_BYTES + 1))[:size]
    sealed = seal(data, salt=salt)
    assert open_(sealed) == data
    assert len(sealed) == sealing.sealed_size(size)
    assert sealing.plain_size(len(sealed)) == size


@given(data=st.binary(min_size=8, max_size=200))
def test_nothing_of_the_plaintext_is_seen(data: bytes) -> None:
    assert data not in seal(data)[HEADER_BYTES:]


def test_every_changed_bit_is_seen() -> None:
    sealed = seal(b"value")
    for bit in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        if not is_sealed(bytes(changed)):
            continue  # a plain object, which is refused as such
        with pytest.raises(TamperedObject):
            open_(bytes(changed))


def test_every_missing_end_is_seen() -> None:
    sealed = seal(b"value")
    for size in range(HEADER_BYTES, len(sealed)):
        with pytest.raises(TamperedObject):
            open_(sealed[:size])


@pytest.mark.parametrize("more", [b"\0", bytes(SEALED_BYTES), b"x" * 16])
@pytest.mark.parametrize("size", [0, 5, SEGMENT_BYTES])
def test_more_at_the_end_is_seen(size: int, more: bytes) -> None:
    with pytest.raises(TamperedObject):
        open_(seal(bytes(size)) + more)


def test_an_object_of_another_path_does_not_open() -> None:
    with pytest.raises(TamperedObject, match="variable namespace/other"):
        open_(seal(b"value"), path="v1/c/ns/n/other")


def test_path_and_header_cannot_be_shifted_into_each_other() -> None:
    sealed = seal(b"value", path="ab")
    with pytest.raises(TamperedObject):
        open_(sealed, path="b")


def test_another_key_with_the_same_id_does_not_open() -> None:
    sealed = seal(b"value")
    header = Header.decode(sealed)
    assert header is not None
    with pytest.raises(TamperedObject):
        sealing.open_whole(sealed, SECOND, header, path=PATH)


@given(order=st.permutations(range(4)))
def test_segments_in_another_order_are_seen(order: list[int]) -> None:
    sealed = seal(b"".join(bytes([n]) * SEGMENT_BYTES for n in range(4)))
    begin = [HEADER_BYTES + n * SEALED_BYTES for n in order]
    moved = sealed[:HEADER_BYTES] + b"".join(sealed[at : at + SEALED_BYTES] for at in begin)
    if order == sorted(order):
        assert moved == sealed
        return
    with pytest.raises(TamperedObject):
        open_(moved)


@pytest.mark.parametrize("left_out", range(3))
def test_a_segment_that_is_left_out_is_seen(left_out: int) -> None:
    sealed = seal(bytes(3 * SEGMENT_BYTES))
    at = HEADER_BYTES + left_out * SEALED_BYTES
    with pytest.raises(TamperedObject):
        open_(sealed[:at] + sealed[at + SEALED_BYTES :])


def test_segments_of_two_versions_do_not_mix() -> None:
    one, other = seal(bytes(2 * SEGMENT_BYTES)), seal(bytes(2 * SEGMENT_BYTES), salt=b"x" * 24)
    cut = HEADER_BYTES + SEALED_BYTES
    with pytest.raises(TamperedObject):
        open_(one[:cut] + other[cut:])


GOLDEN = (
    "89564645012607099cfee5e391000000000000000000000000000000000000000000000000"
    "6ad6f971d756ae0d350be7a9fc336ec00d253baae5"
)


def test_objects_of_this_version_stay_readable() -> None:
    assert open_(bytes.fromhex(GOLDEN)) == b"value"
    assert seal(b"value").hex() == GOLDEN
