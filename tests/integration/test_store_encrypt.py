"""`varflow store encrypt`: what it counts, what it encrypts anew, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import s3
from tests.support.cluster.s3_servers import S3Server
from tests.support.encryption import FIRST, RING, SECOND
from tests.support.renewals import ROTATED, SECOND_ALONE
from tests.support.runs import Caller, Ended

LARGE = b"x" * 100_000
BOTH = ROTATED.encode()


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    """Somebody who has both keys, and values from before in the store."""
    caller = Caller(tmp_path, {"VARFLOW_ENCRYPTION_KEYS": BOTH})
    fill(caller, RING.encode())
    return caller


def fill(caller: Caller, keys: str) -> None:
    for value in (b"small", LARGE):
        key = f"k{len(value)}"
        caller.call("var", "set", key, stdin=value, VARFLOW_ENCRYPTION_KEYS=keys)


def values(caller: Caller, keys: str) -> list[bytes]:
    found = [caller.call("var", "get", key, VARFLOW_ENCRYPTION_KEYS=keys) for key in KEYS]
    return [ended.stdout for ended in found]


KEYS = ("k5", f"k{len(LARGE)}")


def encrypt(caller: Caller, *arguments: str, **environ: str) -> Ended:
    return caller.call("store", "encrypt", *arguments, stdin=b"", **environ)


def counted(ended: Ended) -> dict[str | None, dict[str, Any]]:
    """Return by key how many objects of each kind there are."""
    return {
        key["id"]: {it["kind"]: it["objects"] for it in key["kinds"]}
        for key in ended.answer["keys"]
    }


def test_without_write_it_counts_and_changes_nothing(caller: Caller) -> None:
    ended = encrypt(caller, "--json")
    again = encrypt(caller)

    assert ended.exit_code == again.exit_code == 1
    assert counted(ended) == {SECOND.name: {}, FIRST.name: {"variables": 2, "values": 1}}
    assert [key["state"] for key in ended.answer["keys"]] == ["current", "older"]
    assert (ended.answer["ok"], ended.answer["remaining"]) == (False, 3)
    table = again.stdout.decode().splitlines()
    assert table[0].split() == ["KEY", "WHAT", "OBJECTS", "SIZE"]
    assert table[1].startswith(f"{FIRST.name}  older  variables, states")
    assert again.log.endswith(f"not encrypted with key {SECOND.name}: 3 (objects: 3)\n")
    assert values(caller, RING.encode()) == [b"small", LARGE]


def test_with_write_the_new_key_alone_opens_everything(caller: Caller) -> None:
    written = encrypt(caller, "--write", "--json")

    assert written.answer["steps"] == {"sealed": 1, "moved": 1}
    assert counted(written)[FIRST.name] == {"unnamed": 1}, "for who reads it at this moment"
    assert written.exit_code == 1
    assert "bytes that no variable has: a sweep removes them" in written.log
    assert values(caller, SECOND_ALONE.encode()) == [b"small", LARGE]


def test_once_what_is_left_is_swept_nothing_needs_the_old_key(caller: Caller) -> None:
    encrypt(caller, "--write")
    for _ in range(2):
        caller.call("store", "check", "--repair", "--older-than", "0s")

    ended = encrypt(caller, "--write", "--json")

    assert (ended.exit_code, ended.answer["ok"]) == (0, True)
    assert counted(ended)[FIRST.name] == {}
    assert ended.log.endswith(f"everything is encrypted with key {SECOND.name} (objects: 4)\n")


def test_plain_values_are_encrypted_where_they_are_believed(tmp_path: Path) -> None:
    caller = Caller(tmp_path)
    for value in (b"small", LARGE):
        caller.call("var", "set", f"k{len(value)}", stdin=value)
    keys = {"VARFLOW_ENCRYPTION_KEYS": BOTH}

    refused = encrypt(caller, "--write", "--json", **keys)
    done = encrypt(caller, "--write", "--json", VARFLOW_ENCRYPTION="migrate", **keys)

    assert refused.answer["steps"] == {"closed": 2}
    assert counted(refused)[None] == {"variables": 2, "values": 1}
    assert "left, cannot be opened: 2" in refused.log
    assert done.answer["steps"] == {"sealed": 1, "moved": 1}
    assert values(caller, SECOND_ALONE.encode()) == [b"small", LARGE]


def test_plain_values_are_not_encrypted_with_another_namespaces_key(caller: Caller) -> None:
    caller.call("var", "set", "plain", "--value", "1", VARFLOW_ENCRYPTION_KEYS="")
    wrong = {"VARFLOW_ENCRYPTION_KEYS": SECOND_ALONE.encode(), "VARFLOW_ENCRYPTION": "migrate"}

    ended = encrypt(caller, "--write", **wrong)

    assert ended.exit_code == 1
    assert FIRST.name in ended.log
    assert "[encryption_key_missing]" in ended.log
    plain = caller.call("var", "get", "plain", VARFLOW_ENCRYPTION_KEYS="")
    assert plain.stdout == b"1"


def test_other_namespaces_of_the_store_are_left_alone(caller: Caller) -> None:
    there, old = ("k", "--namespace", "other"), RING.encode()
    caller.call("var", "set", *there, "--value", "1", VARFLOW_ENCRYPTION_KEYS=old)

    encrypt(caller, "--write")

    assert caller.call("var", "get", *there, VARFLOW_ENCRYPTION_KEYS=old).stdout == b"1"
    counted_there = counted(encrypt(caller, "--namespace", "other", "--json"))
    assert counted_there == {SECOND.name: {}, FIRST.name: {"variables": 1}}


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "said"),
    [
        pytest.param([], {"VARFLOW_ENCRYPTION_KEYS": ""}, 2, "no keys are given", id="no keys"),
        pytest.param([], {"VARFLOW_ENCRYPTION": "off"}, 2, "encryption is off", id="off"),
        pytest.param(["--namespace", "typo"], {}, 3, "nothing is in namespace typo", id="typo"),
        pytest.param(["--cluster", "typo"], {}, 3, "of cluster typo", id="no such cluster"),
        pytest.param(["--cluster", "a/b"], {}, 2, "cluster", id="a cluster that cannot be"),
        pytest.param(["-k", "--cluster", "c"], {}, 2, "not for -k", id="another cluster's"),
        pytest.param(["-k", "--store", "memory:"], {}, 2, "not for -k", id="two stores"),
        pytest.param(["--context", "c"], {}, 2, "add -k", id="a context without a cluster"),
    ],
)
def test_what_cannot_be_is_said(
    caller: Caller, arguments: list[str], environ: dict[str, str], code: int, said: str
) -> None:
    ended = encrypt(caller, *arguments, **environ)

    assert ended.exit_code == code
    assert said in ended.log


def test_a_bucket_is_encrypted_anew(s3_server: S3Server, bucket: str, tmp_path: Path) -> None:
    place = s3.make_place(s3_server, bucket)
    caller = Caller(tmp_path, {**place.environ, "VARFLOW_ENCRYPTION_KEYS": BOTH})
    fill(caller, RING.encode())

    written = encrypt(caller, "--write", "--json")

    assert written.answer["steps"] == {"sealed": 1, "moved": 1}
    assert values(caller, SECOND_ALONE.encode()) == [b"small", LARGE]
