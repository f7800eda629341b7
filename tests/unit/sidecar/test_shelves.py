"""Outcomes wait until they are fetched; then they stay for a while, in bounded memory."""

from __future__ import annotations

import time

from varflow_sidecar import shelves
from varflow_sidecar.shelves import Shelf


def test_a_thing_is_kept_until_it_is_fetched_and_then_a_while() -> None:
    shelf: Shelf[str] = Shelf()
    shelf.put("a", "thing", size=1, wanted_until=time.time())
    assert shelf.is_anything_unfetched

    shelf.note_fetched("a")

    assert not shelf.is_anything_unfetched
    assert shelf.find("a") == "thing"


def test_fetched_things_are_bounded_in_bytes_the_oldest_goes_first() -> None:
    shelf: Shelf[str] = Shelf()
    for name in "abc":
        shelf.put(name, name, size=shelves.KEPT_BYTES // 2, wanted_until=time.time())
        shelf.note_fetched(name)

    assert [shelf.find(name) for name in "abc"] == [None, "b", "c"]


def test_what_nobody_has_fetched_stays_whatever_its_size() -> None:
    shelf: Shelf[str] = Shelf()
    for name in "abc":
        shelf.put(name, name, size=shelves.KEPT_BYTES, wanted_until=time.time())

    assert [shelf.find(name) for name in "abc"] == ["a", "b", "c"]


def test_what_nobody_can_want_any_more_goes() -> None:
    shelf: Shelf[str] = Shelf()
    shelf.put("a", "a", size=1, wanted_until=time.time() - shelves.OVERDUE_SECONDS - 1)
    shelf.put("b", "b", size=1, wanted_until=time.time())

    assert shelf.find("a") is None
    assert shelf.find("b") == "b"


def test_noting_twice_is_noting_once() -> None:
    shelf: Shelf[str] = Shelf()
    shelf.put("a", "a", size=1, wanted_until=time.time())
    shelf.note_fetched("a")
    shelf.note_fetched("a")

    assert shelf.find("a") == "a"
