"""From what a person passes as `--store` to a driver.

    memory:              variables end with the process
    file:///a/folder     a folder on this machine; %20 stands for a space, as in every URL
    s3://bucket/prefix   a bucket, with `?endpoint=…` on any server that speaks S3; see `s3_urls`

Behind `?` each may have `history=N`: so many older revisions of each variable are kept. It stands
in the URL because that is all that every program which writes to a store is told about it.

A bare path is refused rather than guessed at: `data` may be a folder, a bucket or a typing error.
"""

from __future__ import annotations

import dataclasses
import os
import urllib.parse
from pathlib import Path
from typing import Final

from varflow.errors import InvalidInput
from varflow.variables.stores import s3_urls
from varflow.variables.stores.base import ObjectStore
from varflow.variables.stores.credentials import Credentials, CredentialsFile
from varflow.variables.stores.file import FileStore
from varflow.variables.stores.memory import MemoryStore

MAX_HISTORY: Final = 1000
"""More would make the listing of one variable's revisions a matter of seconds."""

_HISTORY: Final = "history="
_HISTORY_DIGITS: Final = 9
_SUPPORTED: Final = "memory:, file:///folder or s3://bucket/prefix"


def open_store(
    url: str,
    *,
    credentials: Credentials | CredentialsFile | None = None,
    creates: bool = True,
) -> ObjectStore:
    """Return the driver for `url`, not yet opened.

    Args:
        url: See the module.
        credentials: For stores that ask for some; None takes those of the process: environment,
            files, or the role it runs under.
        creates: Opening makes the folder or, where the URL asks for it, the bucket. Without, it
            raises `StoreMissing` where there is none, and leaves everything as it is.

    Raises:
        InvalidInput: `url` names no store that is supported.
    """
    scheme, colon, rest = _split_history(url)[0].partition(":")
    if not colon or "/" in scheme:
        hint = "/folder" if not url or "@" in url else urllib.parse.quote(os.path.abspath(url))
        raise InvalidInput(f"{_shown(url)} is no URL; for a folder write file://{hint}")
    match scheme.lower():
        case "memory" if not rest:
            return MemoryStore()
        case "file":
            return FileStore(_parse_folder(url, rest), creates=creates)
        case "s3":
            return _make_s3_store(url, credentials, creates=creates)
        case _:
            # The rest may hold credentials.
            raise InvalidInput(f"stores of the kind {scheme!r} are not supported; use {_SUPPORTED}")


def find_folder(url: str) -> Path | None:
    """Return the folder that `url` names; None when it is a store of another kind.

    Raises:
        InvalidInput: it is a folder's URL and names none.
    """
    scheme, _, rest = _split_history(url)[0].partition(":")
    return _parse_folder(url, rest) if scheme.lower() == "file" else None


def find_history(url: str) -> int:
    """Return how many older revisions of a variable a store's URL says to keep.

    Raises:
        InvalidInput: what it says is no number in range.
    """
    _, text = _split_history(url)
    is_number = text.isascii() and text.isdecimal() and len(text) <= _HISTORY_DIGITS
    if not is_number or int(text) > MAX_HISTORY:
        raise InvalidInput(
            f"history={text[:32]!a} of the store is no number from 0 to {MAX_HISTORY}"
        )
    return int(text)


def _split_history(url: str) -> tuple[str, str]:
    """Return the URL without `history`, which is no driver's business, and what that says."""
    start, mark, query = url.partition("?")
    parts = query.split("&")
    given = [part.partition("=")[2] for part in parts if part.startswith(_HISTORY)]
    if not mark or not given:
        return url, "0"
    rest = "&".join(part for part in parts if not part.startswith(_HISTORY))
    return f"{start}?{rest}" if rest else start, given[-1]


def _make_s3_store(
    url: str, credentials: Credentials | CredentialsFile | None, *, creates: bool
) -> ObjectStore:
    location = s3_urls.parse(url)
    location = dataclasses.replace(location, creates_bucket=location.creates_bucket and creates)
    # Loads the SDK: 30 MiB and half a second that other stores do not need.
    from varflow.variables.stores.s3 import S3Store

    return S3Store(location, credentials)


def _parse_folder(url: str, rest: str) -> Path:
    host, slash, path = rest.removeprefix("//").partition("/")
    if not rest.startswith("//") or not slash or host not in {"", "localhost"}:
        raise InvalidInput(
            f"{_shown(url)} names no folder of this machine; write file:///folder, in full"
        )
    if "?" in path or "#" in path:
        raise InvalidInput(f"{_shown(url)} has '?' or '#'; in a folder's name write %3F or %23")
    folder = os.fsdecode(urllib.parse.unquote_to_bytes("/" + path))
    if "\0" in folder:
        raise InvalidInput(f"{_shown(url)} has %00, which no folder's name holds")
    return Path(folder)


def _shown(url: str) -> str:
    """Return what to call a store in a message: not by what may hold credentials."""
    return "the store" if "@" in url else f"store {url!r}"
