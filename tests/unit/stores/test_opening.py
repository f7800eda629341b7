"""From `--store` to a driver (stores/opening.py)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varflow.errors import InvalidInput
from varflow.variables.stores import opening
from varflow.variables.stores.file import FileStore
from varflow.variables.stores.memory import MemoryStore


def test_memory_opens_a_store_that_is_volatile() -> None:
    assert isinstance(opening.open_store("memory:"), MemoryStore)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("file:///var/lib/varflow", "file:///var/lib/varflow"),
        ("file:///var/lib/varflow/", "file:///var/lib/varflow"),
        ("FILE:///a", "file:///a"),
        ("file://localhost/a", "file:///a"),
        ("file:///a%20b/%C3%A9", "file:///a%20b/%C3%A9"),
        ("file:///a b/\u00e9", "file:///a%20b/%C3%A9"),
        ("file:///a%3Fb%23c%25", "file:///a%3Fb%23c%25"),
        ("file:///not-utf8-%FF", "file:///not-utf8-%FF"),
        ("file:///a:b@c", "file:///a%3Ab%40c"),
    ],
)
def test_a_file_url_opens_its_folder(url: str, shown: str) -> None:
    store = opening.open_store(url)
    assert isinstance(store, FileStore)
    assert store.url == shown


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_the_url_of_a_store_opens_it_again(name: str) -> None:
    url = FileStore(Path("/stores") / name).url
    assert opening.open_store(url).url == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "file:///folder"),
        ("data", "is no URL; for a folder write file:///"),
        ("/var/lib/my data", "write file:///var/lib/my%20data"),
        ("./a:b", "is no URL"),
        ("file:", "write file:///folder"),
        ("file:data", "write file:///folder"),
        ("file://data", "write file:///folder"),
        ("file://server/share", "no folder of this machine"),
        ("file:///a?b", "%3F"),
        ("file:///a#b", "%23"),
        ("file:///a%00b", "%00"),
        ("memory:x", "use memory: or file:///folder"),
        ("s3://bucket/prefix", "'s3' are not supported; use memory: or file:///folder"),
        ("gs://bucket", "use memory: or file:///folder"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(url: str, said: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        opening.open_store(url)
    assert said in raised.value.message


def test_an_unsupported_url_does_not_show_its_credentials() -> None:
    with pytest.raises(InvalidInput) as raised:
        opening.open_store("s3://key:hunter2@host/bucket")
    assert "hunter2" not in raised.value.message
