"""How bodies are cut into parts (stores/s3_uploads.py); sending them: test_s3_faults.py."""

from __future__ import annotations

import pytest

from varflow.errors import TooLarge
from varflow.variables.stores import s3_uploads

GIB = 1024**3


def test_parts_are_equally_long_up_to_64_gib() -> None:
    sizes = [s3_uploads.part_bytes(number) for number in range(1, 64 * GIB // (8 * 1024**2) + 1)]
    assert set(sizes) == {8 * 1024**2}
    assert sum(sizes) == 64 * GIB


def test_ten_thousand_parts_are_enough_for_twice_as_much() -> None:
    assert sum(map(s3_uploads.part_bytes, range(1, 10_001))) > 128 * GIB


def test_more_parts_than_a_server_takes_are_too_large() -> None:
    with pytest.raises(TooLarge, match="132 GiB"):
        s3_uploads.part_bytes(10_001)
