"""Credentials that end, as a file, and what a client makes of the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import CredentialRetrievalError

from tests.support.variables import Clock
from varflow.errors import InvalidMessage
from varflow.variables.stores.credentials import Credentials, CredentialsFile, LentCredentials
from varflow.variables.stores.s3_lent_credentials import Lent

END = 2_000_000_000.0


def lent(name: str = "first", *, expires_at: float = END) -> LentCredentials:
    return LentCredentials(
        credentials=Credentials(
            access_key_id=name, secret_access_key=f"{name}-secret", session_token=f"{name}-token"
        ),
        expires_at=expires_at,
    )


@pytest.fixture
def clock() -> Clock:
    return Clock(END - 3600)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (path := tmp_path / "credentials.json").write_bytes(lent().encode())
    return path


@pytest.fixture
def borrowed(path: Path, clock: Clock) -> Lent:
    return Lent(CredentialsFile(str(path)), clock=clock)


def test_a_file_gives_back_what_was_written() -> None:
    assert LentCredentials.decode(lent().encode()) == lent()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        lent().encode().replace(b"first-secret", b""),
        lent().encode().replace(b"+00:00", b""),
        lent().encode().replace(b"2033-05-18", b"soon"),
    ],
    ids=["nothing", "no-object", "no-fields", "no-secret", "no-zone", "no-time"],
)
def test_what_are_no_credentials_is_an_error_that_shows_none(data: bytes) -> None:
    with pytest.raises(InvalidMessage) as raised:
        LentCredentials.decode(data)

    assert "token" not in str(raised.value)


def test_the_text_of_credentials_shows_no_secret() -> None:
    assert "first-" not in repr(lent())


def test_requests_are_signed_with_what_is_in_the_file(borrowed: Lent) -> None:
    found = borrowed.get_frozen_credentials()

    assert tuple(found)[:3] == ("first", "first-secret", "first-token")


def test_what_replaces_them_is_used_at_once(borrowed: Lent, path: Path, clock: Clock) -> None:
    borrowed.get_frozen_credentials()
    path.write_bytes(lent("second").encode())
    clock.now += 1

    assert borrowed.get_frozen_credentials().access_key == "second"


def test_the_file_is_not_read_for_each_request(borrowed: Lent, path: Path) -> None:
    borrowed.get_frozen_credentials()
    path.unlink()

    assert borrowed.get_frozen_credentials().access_key == "first"


def test_nothing_is_sent_with_what_has_ended(borrowed: Lent, path: Path, clock: Clock) -> None:
    clock.now = END - 29
    with pytest.raises(CredentialRetrievalError, match="2033-05-18T03:33:20"):
        borrowed.get_frozen_credentials()

    path.write_bytes(lent("second", expires_at=END + 3600).encode())
    clock.now += 1
    assert borrowed.get_frozen_credentials().access_key == "second"


@pytest.mark.parametrize("data", [None, b"half of the f"], ids=["gone", "spoilt"])
def test_a_file_without_credentials_is_named(
    borrowed: Lent, path: Path, data: bytes | None
) -> None:
    path.write_bytes(data) if data else path.unlink()

    with pytest.raises(CredentialRetrievalError, match=r"credentials\.json"):
        borrowed.get_frozen_credentials()
