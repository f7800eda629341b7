"""Paths and the keys of their objects in a bucket (stores/s3_keys.py)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support import stores
from varflow.variables.stores import s3_keys

DENSE = st.text(st.sampled_from("ab-./0 !%~\u00e9\ufffd\uffff\U0001f600"), min_size=1, max_size=6)
LONG = st.builds(lambda count, end: "k" * count + end, st.integers(240, 251), DENSE)


def is_segment(text: str) -> bool:
    return text not in {"", ".", ".."} and "/" not in text


close_paths = st.lists((DENSE | LONG).filter(is_segment), min_size=1, max_size=3).map("/".join)
"""Paths that differ where names are escaped, cut or ended."""


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("v1/shop/orders/n/counter", "v1/shop/orders/n/counter!"),
        ("n/My Notes (2).txt", "n/My%20Notes%20(2).txt!"),
        ("n/caf\u00e9", "n/caf\u00e9!"),
        ("n/100%", "n/100%25!"),
        ("n/a+b=c&d", "n/a+b=c&d!"),
        ("n/~backup~", "n/~~backup~~!"),
        ("n/.hidden", "n/.hidden!"),
        ("n/wow!", "n/wow%21!"),
        ("n/\ufffd\ufffe\uffff", "n/\ufffdd\ufffde\ufffdf!"),
        ("k" * 250, "k" * 250 + "!"),
        ("k" * 251, "k" * 250 + "~/k!"),
        ("k" * 250 + "-", "k" * 250 + "%/-!"),
        ("k" * 250 + " /x", "k" * 250 + "%/%20/x!"),
    ],
)
def test_a_path_has_a_readable_key(path: str, key: str) -> None:
    assert s3_keys.key_of(path) == key
    assert s3_keys.find_path(key) == path


@given(stores.paths() | close_paths)
@example("%" * 253)
@example("\U0001f600" * 63)
def test_every_key_leads_back_to_its_path(path: str) -> None:
    assert s3_keys.find_path(s3_keys.key_of(path)) == path


@given(close_paths, close_paths)
@example("a", "a/b")
@example("a-b", "a/b")
@example("k" * 250 + "-", "k" * 250 + "/x")
@example("k" * 249 + "\U0001f600x", "k" * 249 + "\u00e9y")
def test_keys_have_the_order_of_their_paths(one: str, other: str) -> None:
    by_path = sorted((one, other), key=str.encode)
    by_key = sorted((one, other), key=lambda path: s3_keys.key_of(path).encode())
    assert by_key == by_path


@given(stores.paths() | close_paths, st.integers(0, 1000))
def test_what_a_path_begins_with_its_key_begins_with(path: str, length: int) -> None:
    assert s3_keys.key_of(path).startswith(s3_keys.prefix_of(path[:length]))


@given(close_paths, close_paths)
def test_a_key_begins_with_a_prefix_only_if_its_path_does(path: str, prefix: str) -> None:
    has_prefix = s3_keys.key_of(path).startswith(s3_keys.prefix_of(prefix))
    assert has_prefix == path.startswith(prefix)


@given(stores.paths() | close_paths)
def test_every_name_fits_the_file_systems_of_servers(path: str) -> None:
    assert all(len(name.encode()) <= 255 for name in s3_keys.key_of(path).split("/"))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "n/counter",
        "n/",
        "n/a b!",
        "n/%41!",
        "n/100%!",
        "n/~!",
        "n/~x!",
        "k~/k!",
        "k%/-!",
        "\uffff!",
    ],
)
def test_a_strangers_key_is_no_object_of_ours(key: str) -> None:
    assert s3_keys.find_path(key) is None
