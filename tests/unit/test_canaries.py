"""The search for values that must not be told finds them."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.support import canaries

CANARY = "canary-9d41e7"


@pytest.mark.parametrize(
    "data",
    [
        f"password: {CANARY}!".encode(),
        json.dumps({"k": CANARY}).encode(),
        repr(CANARY.encode()).encode(),
        *(base64.b64encode(f"{'.' * before}{CANARY}, and on".encode()) for before in range(4)),
        CANARY.encode().hex().encode(),
    ],
    ids=["text", "json", "repr", *(f"base64 after {before}" for before in range(4)), "hex"],
)
def test_a_canary_is_found_however_it_is_spelled(data: bytes) -> None:
    assert canaries.holding({"here": data, "there": b"nothing"}, "another", CANARY) == ["here"]


def test_a_canary_is_found_in_names_and_folders(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / CANARY).write_bytes(b"")
    found = canaries.in_folder(tmp_path)

    assert canaries.holding(found, CANARY) == [f"below/{CANARY}"]
