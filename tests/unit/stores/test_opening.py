"""From `--store` to a driver (stores/opening.py)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varflow.errors import InvalidInput
from varflow.variables.stores import opening
from varflow.variables.stores.file import FileStore
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.stores.s3 import S3Store


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


@pytest.mark.parametrize(
    ("url", "kept", "shown"),
    [
        ("memory:", 0, "memory:"),
        ("memory:?history=3", 3, "memory:"),
        ("file:///a?history=0", 0, "file:///a"),
        ("file:///a?history=1000", 1000, "file:///a"),
        ("s3://bucket/p?history=5", 5, "s3://bucket/p?history=5"),
        (
            "s3://bucket?endpoint=http://a:1&history=5",
            5,
            "s3://bucket?endpoint=http://a:1&history=5",
        ),
    ],
)
def test_a_url_says_how_many_older_revisions_are_kept(url: str, kept: int, shown: str) -> None:
    assert opening.find_history(url) == kept
    assert opening.open_store(url).url == shown


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "1.5", "1001", "²", "9" * 5000], ids=lambda text: text[:4]
)
def test_a_history_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="history"):
        opening.find_history(f"file:///a?history={text}")


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
        ("memory:x", "use memory:, file:///folder or s3://bucket/prefix"),
        ("s3:bucket", "s3://bucket/prefix"),
        ("gs://bucket", "use memory:, file:///folder or s3://bucket/prefix"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(url: str, said: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        opening.open_store(url)
    assert said in raised.value.message


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("file:///a%20b", Path("/a b")),
        ("FILE://localhost/a?history=3", Path("/a")),
        ("memory:", None),
        ("s3://file/prefix", None),
        ("data", None),
    ],
)
def test_the_folder_of_a_url_is_known_where_there_is_one(url: str, folder: Path | None) -> None:
    assert opening.find_folder(url) == folder


def test_an_s3_url_opens_its_bucket() -> None:
    url = "s3://bucket/prefix?endpoint=http://127.0.0.1:7070&region=eu-west-1"
    store = opening.open_store(url + "&createBucket=true")
    assert isinstance(store, S3Store)
    assert store.url == url


def test_only_opening_an_s3_store_loads_boto3(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from varflow.variables.stores import opening\n"
        "store = opening.open_store(sys.argv[1])\n"
        "asyncio.run(store.open())\n"
        "loaded = {'boto3', 'botocore', 'urllib3'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {loaded}' if loaded else 0)\n"
    )
    url = tmp_path.as_uri()
    done = subprocess.run([sys.executable, "-c", program, url], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:hunter2@host/bucket",
        "gs://key:hunter2@host/bucket",
        "file://key:hunter2@host/folder",
        "s3//key:hunter2@host/bucket",
        "//key:hunter2@host/bucket",
        "key@hunter2",
    ],
)
def test_a_url_that_is_refused_does_not_show_its_credentials(url: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        opening.open_store(url)
    assert "hunter2" not in raised.value.message
