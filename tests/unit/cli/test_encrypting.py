"""Keys of stores on this machine, out of the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.encryption import RING
from varflow.variables.encryption.store import EncryptedStore
from varflow.variables.stores.memory import MemoryStore
from varflow_cli.console.failures import Mistake
from varflow_cli.stores import encrypting

KEYS = RING.encode()


def test_without_keys_a_store_is_as_it_is() -> None:
    store = MemoryStore()
    assert encrypting.wrap(store, {}) is store


def test_keys_are_taken_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(KEYS)
    for environ in ({"VARFLOW_ENCRYPTION_KEYS": KEYS}, {"VARFLOW_ENCRYPTION_KEY_FILE": str(file)}):
        assert isinstance(encrypting.wrap(MemoryStore(), environ), EncryptedStore)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        pytest.param({"VARFLOW_ENCRYPTION_KEYS": "AAAA"}, "not the base64 of 32", id="no key"),
        pytest.param(
            {"VARFLOW_ENCRYPTION_KEY_FILE": "/nowhere/keys"}, "No such file", id="no file"
        ),
        pytest.param(
            {"VARFLOW_ENCRYPTION_KEY_FILE": "/dev/null"}, "no keys: it is empty", id="empty file"
        ),
        pytest.param({"VARFLOW_ENCRYPTION": "on"}, "no keys are given", id="on without keys"),
        pytest.param(
            {"VARFLOW_ENCRYPTION": "perhaps", "VARFLOW_ENCRYPTION_KEYS": KEYS},
            "none of on, migrate, off",
            id="an unknown word",
        ),
        pytest.param(
            {"VARFLOW_ENCRYPTION_KEY_FILE": "keys", "VARFLOW_ENCRYPTION_KEYS": KEYS},
            "not both",
            id="keys twice",
        ),
    ],
)
def test_what_cannot_be_is_a_mistake_that_shows_no_key(environ: dict[str, str], said: str) -> None:
    with pytest.raises(Mistake, match=said) as mistake:
        encrypting.wrap(MemoryStore(), environ)
    assert KEYS.strip() not in str(mistake.value)
