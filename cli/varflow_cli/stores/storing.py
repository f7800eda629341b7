"""Where the command line keeps variables, and whose they are.

Without `--store` that is a folder in the user's data directory, the same for every working folder,
so that the next run of a workflow finds what the last one left wherever it is started from. Locally
a UID is the name (design.md §6), and there is one cluster, called `local`.

Only what may write a new variable makes a store. For all others a mistyped `--store` would be one
that is empty; they fail, unless the place can be nothing else than a store that is still to come.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Final

from varflow.variables import keys
from varflow.variables.scopes import Owners
from varflow.variables.stores import opening
from varflow.variables.stores.base import ObjectStore
from varflow.variables.stores.credentials import Credentials
from varflow.variables.stores.memory import MemoryStore
from varflow.variables.variables import Variables
from varflow_cli.console import streams
from varflow_cli.console.failures import Mistake
from varflow_cli.stores import encrypting

CLUSTER: Final = "local"

NAMESPACE: Final = "default"
"""The namespace when nobody names one."""


def default_folder(environ: Mapping[str, str], *, platform: str = sys.platform) -> Path:
    """Return the store's folder in the user's data directory, as the platform has it.

    Raises:
        Mistake: nobody knows where that is.
    """
    if platform == "darwin":
        return _home(environ) / "Library" / "Application Support" / "varflow" / "store"
    given = Path(environ.get("XDG_DATA_HOME", ""))
    # The XDG specification: a relative path is invalid and to be ignored.
    data = given if given.is_absolute() else _home(environ) / ".local" / "share"
    return data / "varflow" / "store"


def cache_folder(environ: Mapping[str, str], *, platform: str = sys.platform) -> Path:
    """Return the folder for what can be found out again, as the platform has it.

    Raises:
        Mistake: nobody knows where that is.
    """
    if platform == "darwin":
        return _home(environ) / "Library" / "Caches" / "varflow"
    given = Path(environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else _home(environ) / ".cache") / "varflow"


def _home(environ: Mapping[str, str]) -> Path:
    """Return the user's home; without `HOME`, the one that the system knows."""
    try:
        home = Path(environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        home = Path()
    if not home.is_absolute():
        raise Mistake("HOME names no folder to keep variables in; set it, or give --store")
    return home


def store_url(given: str | None) -> str:
    """Return the URL that `--store` named, or the default store's."""
    return given or default_folder(os.environ).as_uri()


def shown_store_url(given: str | None) -> str:
    """Return the same, and say on standard error which one it is when the caller did not."""
    url = store_url(given)
    if not given:
        streams.tell(f"varflow: store {url}")
    return url


def is_to_come(url: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether nothing was ever stored there, and that is no mistake.

    So it is with the default store before the first run, and with an empty folder.
    """
    folder = opening.find_folder(url)
    try:
        return folder is not None and not os.listdir(folder)
    except FileNotFoundError:
        with contextlib.suppress(Mistake):
            return folder == default_folder(environ)
        return False
    except OSError:
        return False  # the driver says why


def make_store(
    url: str, *, credentials: Credentials | None = None, creates: bool = True
) -> ObjectStore:
    """Return the store's driver, not yet opened.

    Args:
        url: Where the store is.
        credentials: As `opening.open_store` takes them.
        creates: As there; one that is to come is empty then.

    Raises:
        InvalidInput: the URL names no store.
    """
    if not creates and is_to_come(url):
        return MemoryStore()
    return opening.open_store(url, credentials=credentials, creates=creates)


@contextlib.asynccontextmanager
async def open_variables(
    url: str,
    *,
    creates: bool = True,
    credentials: Credentials | None = None,
    writer: str = "varflow",
    max_bytes: int | None = None,
    wrap: Callable[[ObjectStore], ObjectStore] | None = None,
) -> AsyncIterator[Variables]:
    """Open the variables in a store; on leaving, everything that was begun is finished.

    Args:
        url: Where the store is.
        creates: Makes the store where there is none; see `make_store`.
        credentials: As `opening.open_store` takes them.
        writer: Who writes, for people.
        max_bytes: Longest value.
        wrap: Encrypts the store; by default with the keys in the environment, if there are any.

    Raises:
        Mistake: the environment says something about keys that cannot be.
        InvalidInput: the URL names no store.
        StoreMissing: there is none, and none is to be made.
        StoreError: it cannot be used.
    """
    store = (wrap or encrypting.wrap)(make_store(url, credentials=credentials, creates=creates))
    history = opening.find_history(url)
    variables = Variables(store, writer=writer, max_bytes=max_bytes, history=history)
    try:
        await variables.open(creates=creates)
        yield variables
    finally:
        await variables.close()


def make_owners(*, namespace: str, workflow: str = "", instance: str = "") -> Owners:
    """Return the owners with these names.

    Raises:
        Mistake: one of them cannot be a name.
    """
    given = {"namespace": namespace, "workflow": workflow, "instance": instance}
    for what, name in given.items():
        if name and (fault := keys.find_fault(name)):
            raise Mistake(f"the {what}'s name {keys.shown(name)} {fault}", code="invalid_name")
    return Owners(cluster=CLUSTER, **given)
