"""What variables look like to a Python program: types, and values as bytes and back. PURE."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import IO, TYPE_CHECKING, Any, Final, Literal, TypeVar

from varflow_client import errors

if TYPE_CHECKING:
    from email.message import Message

T = TypeVar("T", bytes, str, int, float, bool, list[Any], dict[str, Any])

Scope = Literal["instance", "workflow", "namespace"]
"""How long a variable lives and who sees it."""

TypeName = Literal["json", "bytes", "string", "int", "number", "bool", "array", "object"]
"""What a value can be asked for as (design.md §5)."""


class Keep(Enum):
    """The type of `KEEP`."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
"""Leave a variable's expiry as it is; a new variable has none."""

Ttl = float | timedelta | Keep | None
"""Seconds to live; None: for ever; KEEP: as before."""

_TYPE_NAMES: dict[type, TypeName] = {
    bytes: "bytes",
    str: "string",
    int: "int",
    float: "number",
    bool: "bool",
    list: "array",
    dict: "object",
}

NO_CONTENT = 204
"""The status of an answer that says that there is no state."""

UNCHECKED = {"json", "bytes"}
"""Types that the sidecar need not look into the value for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable with its value, as it was at one revision."""

    key: str
    data: bytes
    content_type: str
    revision: str
    """Changes with every write, also when the bytes stay the same."""
    etag: str
    """What `if_match` takes."""
    expires_at: datetime | None

    def json(self) -> Any:
        """Return the value that the bytes are as JSON.

        Raises:
            InvalidConversion: they are not JSON.
        """
        return _parse_json(self.data, self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableInfo:
    """A variable without its value."""

    key: str
    size: int
    """Length of the value in bytes."""
    content_type: str
    revision: str
    created_at: datetime | None
    updated_at: datetime | None
    expires_at: datetime | None


def type_name(as_: type[Any] | str) -> str:
    """Return the contract's name for a Python type.

    Raises:
        TypeError: there is none.
    """
    if isinstance(as_, str):
        return as_
    try:
        return _TYPE_NAMES[as_]
    except KeyError:
        names = ", ".join(kind.__name__ for kind in _TYPE_NAMES)
        raise TypeError(f"as_={as_!r} is none of the types {names}") from None


def convert(data: bytes, *, name: str, key: str, is_text: bool) -> Any:
    """Turn bytes that the sidecar has checked into the Python value."""
    match name:
        case "bytes":
            return data
        case "string":
            return data.decode() if is_text else _parse_string(data)
        case "number":
            return float(_parse_json(data, key))
        case _:
            return _parse_json(data, key)


def _parse_string(data: bytes) -> str:
    """Read a JSON string, or text that is no JSON: what a shell script echoed."""
    try:
        return str(json.loads(data))
    except ValueError:
        return data.decode()


def _parse_json(data: bytes, key: str) -> Any:
    try:
        return json.loads(data, parse_constant=_refuse)
    except ValueError as error:
        message = f"variable {key!r} is not JSON ({error}); read it with as_=bytes"
        raise errors.InvalidConversion(message, code="invalid_conversion", status=422) from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is none of its values")


def encode(value: Any) -> tuple[bytes | IO[bytes], str]:
    """Return what is sent for a value, and what it is called."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value), "application/octet-stream"
    if isinstance(value, io.TextIOBase):
        raise TypeError("a variable's file must be opened in binary mode")
    if hasattr(value, "read"):
        return value, "application/octet-stream"
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode(), "application/json"


def encode_ttl(ttl: Ttl) -> str:
    """Return the text of `ttl=`; empty for leaving it out."""
    match ttl:
        case Keep.KEEP:
            return ""
        case None:
            return "none"
        case timedelta():
            return str(ttl.total_seconds())
        case _:
            return str(ttl)


def make_variable(key: str, data: bytes, headers: Message) -> Variable:
    """Return what the answer to a GET tells."""
    return Variable(
        key=key,
        data=data,
        content_type=headers.get("Content-Type", ""),
        revision=headers.get("Varflow-Revision", ""),
        etag=headers.get("ETag", ""),
        expires_at=_parse_time(headers.get("Varflow-Expires-At")),
    )


def make_info(entry: Mapping[str, Any]) -> VariableInfo:
    """Return what an entry of a listing tells."""
    return VariableInfo(
        key=entry["key"],
        size=entry["size"],
        content_type=entry["contentType"],
        revision=entry["revision"],
        created_at=_parse_time(entry.get("createdAt")),
        updated_at=_parse_time(entry.get("updatedAt")),
        expires_at=_parse_time(entry.get("expiresAt")),
    )


def _parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
