"""Values that must not be told: where one lies readable, as it is, in base64 or in hexadecimal."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Mapping
from pathlib import Path

from tests.support import s3


def in_folder(folder: Path) -> dict[str, bytes]:
    """Return what lies below a folder, by name."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def in_bucket(place: s3.Place) -> dict[str, bytes]:
    """Return the objects at a place as its server has them, by key."""
    found: dict[str, bytes] = {}
    with contextlib.closing(place.client()) as client:
        pages = client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=place.bucket, Prefix=place.prefix):
            for entry in page.get("Contents", ()):
                answer = client.get_object(Bucket=place.bucket, Key=entry["Key"])
                with contextlib.closing(answer["Body"]) as body:
                    found[entry["Key"]] = body.read()
    return found


def holding(found: Mapping[str, bytes], *canaries: str) -> list[str]:
    """Return the names of what holds a canary, or is called like one."""
    needles = [needle for text in canaries for needle in _spellings(text)]
    return [
        name
        for name, data in found.items()
        if any(needle in data or needle in name.encode() for needle in needles)
    ]


def _spellings(text: str) -> list[bytes]:
    data = text.encode()
    # Cut at both ends: what stands before and after shares letters with it.
    shifted = [base64.b64encode(b"\0" * shift + data)[4:-4] for shift in range(3)]
    return [data, data.hex().encode(), *shifted]
