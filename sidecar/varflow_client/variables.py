"""Persistent variables, as a function sees them.

Values are JSON unless the caller says otherwise: `set` writes what `get` gives back, and what
states of the workflow read and write. Bytes stay bytes (`set(key, b"...")`,
`get(key, as_=bytes)`), and values too large for memory go through files (`set(key, file)`,
`download`).

Whether a value is of a type is checked by the sidecar (`as=`), so that every client means the same
by "int"; bytes and JSON need no check there, and may then be of any length. Rejected: guessing the
type from the stored Content-Type, since then the type of `get`'s result would depend on how
carefully somebody else wrote the variable.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, Literal, overload

from varflow_client import errors, values
from varflow_client.values import KEEP, Scope, T, Ttl, TypeName, Variable, VariableInfo

if TYPE_CHECKING:
    from email.message import Message

    from varflow_client.transport import Answer, Sidecar


class Variables:
    """The variables that one action may use.

    Every method raises a `SidecarError` when the sidecar does not do what was asked. Thread-safe.
    """

    def __init__(self, action_id: str = "", *, sidecar: Sidecar | None = None) -> None:
        self._action_id = action_id
        self._given_sidecar = sidecar

    @property
    def action_id(self) -> str:
        """The action on whose behalf the sidecar is asked."""
        return self._action_id

    @overload
    def get(
        self, key: str, *, scope: Scope = ..., as_: type[T], default: T, required: bool = ...
    ) -> T: ...
    @overload
    def get(
        self,
        key: str,
        *,
        scope: Scope = ...,
        as_: type[T],
        default: None = ...,
        required: Literal[True],
    ) -> T: ...
    @overload
    def get(
        self,
        key: str,
        *,
        scope: Scope = ...,
        as_: type[T],
        default: None = ...,
        required: Literal[False] = ...,
    ) -> T | None: ...
    @overload
    def get(
        self,
        key: str,
        *,
        scope: Scope = ...,
        as_: TypeName = ...,
        default: Any = ...,
        required: bool = ...,
    ) -> Any: ...
    def get(
        self,
        key: str,
        *,
        scope: Scope = "instance",
        as_: type[Any] | TypeName = "json",
        default: Any = None,
        required: bool = False,
    ) -> Any:
        """Return the variable's value, or `default` when there is none.

        Args:
            key: the variable's name in its scope.
            scope: whose variable it is.
            as_: what the value must be: a Python type (`bytes`, `str`, `int`, `float`, `bool`,
                `list`, `dict`) or one of the contract's names. Any JSON value by default.
            default: what a missing or expired variable gives.
            required: raise for a missing variable instead.

        Raises:
            InvalidConversion: the value is not what `as_` says.
            NotFound: there is no such variable and it was required.
        """
        name = values.type_name(as_)
        check = {} if name in values.UNCHECKED else {"as": name}
        with self._call("GET", "/var", {**_place(scope, key), **check}) as answer:
            data = answer.read()
            if _exists(answer.headers):
                is_text = answer.headers.get("Content-Type", "").lower().startswith("text/")
                return values.convert(data, name=name, key=key, is_text=is_text)
        if required:
            raise _not_found(scope, key)
        return default

    def find(self, key: str, *, scope: Scope = "instance") -> Variable | None:
        """Return the variable with its revision and type, or None when there is none."""
        with self._call("GET", "/var", _place(scope, key)) as answer:
            data = answer.read()
            return (
                values.make_variable(key, data, answer.headers) if _exists(answer.headers) else None
            )

    def download(self, key: str, file: IO[bytes], *, scope: Scope = "instance") -> int | None:
        """Write the value to `file`, in pieces; return its length, or None when there is none.

        Raises:
            SidecarUnreachable: the answer broke off; `file` holds a part.
        """
        with self._call("GET", "/var", _place(scope, key)) as answer:
            length = answer.copy_to(file)
            return length if _exists(answer.headers) else None

    def set(
        self,
        key: str,
        value: Any,
        *,
        scope: Scope = "instance",
        ttl: Ttl = KEEP,
        content_type: str | None = None,
        if_match: str | None = None,
    ) -> None:
        """Write the variable. It takes effect at once, whatever becomes of the action.

        Args:
            key: the variable's name in its scope.
            value: bytes or a binary file are stored as they are (a file from where it stands, in
                pieces); anything else is stored as JSON, None as JSON's null.
            scope: whose variable it is.
            ttl: seconds until it expires; None: never; KEEP: leave the expiry as it is.
            content_type: what the bytes are, if neither JSON nor plain bytes.
            if_match: write only if the variable is still at this `Variable.etag`.

        Raises:
            PreconditionFailed: it is not.
            TooLarge: the value is over the sidecar's limit.
        """
        headers = {"If-Match": if_match} if if_match is not None else {}
        self._write(key, value, scope=scope, ttl=ttl, content_type=content_type, headers=headers)

    def create(
        self,
        key: str,
        value: Any,
        *,
        scope: Scope = "instance",
        ttl: Ttl = KEEP,
        content_type: str | None = None,
    ) -> None:
        """Write a variable that must not exist yet; otherwise as `set`.

        Raises:
            VariableExists: it does.
        """
        self._write(key, value, scope=scope, ttl=ttl, content_type=content_type, mode="create")

    def update(
        self,
        key: str,
        change: Callable[[Any], Any],
        *,
        scope: Scope = "instance",
        default: Any = None,
        ttl: Ttl = KEEP,
    ) -> Any:
        """Replace the JSON value by `change(value)` and return that; no other write gets lost.

        `change` is called again when somebody else has written meanwhile, so it must only compute.
        It is given `default` when there is no variable.
        """
        while True:
            found = self.find(key, scope=scope)
            value = change(default if found is None else found.json())
            try:
                if found is None:
                    self.create(key, value, scope=scope, ttl=ttl)
                else:
                    self.set(key, value, scope=scope, ttl=ttl, if_match=found.etag)
            except (errors.VariableExists, errors.PreconditionFailed):
                continue
            return value

    def delete(self, key: str, *, scope: Scope = "instance") -> None:
        """Delete the variable; one that is missing is no error."""
        with self._call("DELETE", "/var", _place(scope, key)) as answer:
            answer.read()

    def list(self, prefix: str = "", *, scope: Scope = "instance") -> Iterator[VariableInfo]:
        """Return the variables whose keys begin with `prefix`, by key, without their values."""
        with self._call("GET", "/vars", {"scope": scope, "prefix": prefix}) as answer:
            listing = json.loads(answer.read())
        return map(values.make_info, listing["variables"])

    def log(self, message: str) -> None:
        """Write a line to the instance's log."""
        with self._call("POST", "/log", {}, body=message.encode()) as answer:
            answer.read()

    @property
    def _sidecar(self) -> Sidecar:
        if self._given_sidecar is None:
            from varflow_client import transport  # not before it is needed: start-up time

            self._given_sidecar = transport.from_environ()
        return self._given_sidecar

    def _write(
        self,
        key: str,
        value: Any,
        *,
        scope: Scope,
        ttl: Ttl,
        content_type: str | None,
        headers: Mapping[str, str] | None = None,
        mode: str = "",
    ) -> None:
        body, own_type = values.encode(value)
        options = {"ttl": values.encode_ttl(ttl), "mode": mode}
        query = {**_place(scope, key), **{name: text for name, text in options.items() if text}}
        all_headers = {"Content-Type": content_type or own_type, **(headers or {})}
        with self._call("POST", "/var", query, body=body, headers=all_headers) as answer:
            answer.read()

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        body: bytes | IO[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        from varflow_client import transport

        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            headers |= _length_header(body)
        request = transport.Request(
            method=method,
            path=path,
            query={"aid": self.action_id, **query},
            body=body,
            headers=headers,
            is_repeatable=_is_repeatable(path, query, body, headers),
        )
        return self._sidecar.call(request)


def _is_repeatable(
    path: str, query: Mapping[str, str], body: object, headers: Mapping[str, str]
) -> bool:
    """Tell whether a second call after a lost answer changes nothing and says the same."""
    return (
        path != "/log"
        and "mode" not in query
        and "If-Match" not in headers
        and (body is None or isinstance(body, bytes))
    )


def _place(scope: str, key: str) -> dict[str, str]:
    return {"scope": scope, "key": key}


def _exists(headers: Message) -> bool:
    return headers.get("Varflow-Exists", "true").lower() != "false"


def _not_found(scope: str, key: str) -> errors.NotFound:
    message = f"there is no variable {key!r} in scope {scope!r}"
    return errors.NotFound(message, code="not_found", status=404)


def _length_header(file: IO[bytes]) -> dict[str, str]:
    """Say how much is left in a file that can tell; others are sent in chunks."""
    try:
        here = file.tell()
        end = file.seek(0, io.SEEK_END)
        file.seek(here)
    except (OSError, AttributeError):
        return {}
    return {"Content-Length": str(end - here)}
