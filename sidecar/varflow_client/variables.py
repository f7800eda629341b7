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

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, Literal, overload

from varflow_client import errors, values
from varflow_client.states import States
from varflow_client.values import KEEP, Scope, T, Ttl, TypeName, Variable, VariableInfo

if TYPE_CHECKING:
    from email.message import Message

_PAGE = 5000
"""Variables that a listing asks for at a time: about a megabyte."""


class Variables(States):
    """The variables that one action may use.

    Every method raises a `SidecarError` when the sidecar does not do what was asked. Thread-safe.
    """

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

    def find(
        self, key: str, *, scope: Scope = "instance", revision: str | None = None
    ) -> Variable | None:
        """Return the variable with its revision and type, or None when there is none.

        With `revision` an older one, if the store keeps it.
        """
        wanted = {} if revision is None else {"revision": revision}
        with self._call("GET", "/var", {**_place(scope, key), **wanted}) as answer:
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

    def copy(
        self,
        key: str,
        to: str,
        *,
        scope: Scope = "instance",
        to_scope: Scope = "instance",
        revision: str | None = None,
        ttl: Ttl = KEEP,
    ) -> None:
        """Write the variable's value and type to another one; the bytes stay in the sidecar.

        Args:
            key: what is copied.
            to: what is written; with a `revision` it may be the same.
            scope: whose variable is copied.
            to_scope: whose is written.
            revision: an older revision of `key`; the present one unless given.
            ttl: as that of `set`, for the copy.

        Raises:
            NotFound: there is nothing to copy.
        """
        options = {"revision": revision or "", "ttl": values.encode_ttl(ttl)}
        given = {name: text for name, text in options.items() if text}
        query = {**_place(to_scope, to), "from": f"{scope}/{key}", **given}
        with self._call("POST", "/var", query) as answer:
            answer.read()

    def list(self, prefix: str = "", *, scope: Scope = "instance") -> Iterator[VariableInfo]:
        """Return the variables whose keys begin with `prefix`, by key, without their values.

        They are asked for in pages, so that only one of those is in memory.
        """
        first = self._page(scope, prefix, after=None)  # what is wrong shows here
        return itertools.chain.from_iterable(self._pages(first, scope, prefix))

    def log(self, message: str) -> None:
        """Write a line to the instance's log."""
        with self._call("POST", "/log", {}, body=message.encode()) as answer:
            answer.read()

    def _pages(
        self, page: Mapping[str, Any], scope: Scope, prefix: str
    ) -> Iterator[Iterator[VariableInfo]]:
        while True:
            yield map(values.make_info, page["variables"])
            if "next" not in page:
                return
            page = self._page(scope, prefix, after=page["next"])

    def _page(self, scope: Scope, prefix: str, *, after: str | None) -> Any:
        query = {"scope": scope, "prefix": prefix, "limit": str(_PAGE)}
        if after is not None:
            query["after"] = after
        with self._call("GET", "/vars", query) as answer:
            return json.loads(answer.read())

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


def _place(scope: str, key: str) -> dict[str, str]:
    return {"scope": scope, "key": key}


def _exists(headers: Message) -> bool:
    return headers.get("Varflow-Exists", "true").lower() != "false"


def _not_found(scope: str, key: str) -> errors.NotFound:
    message = f"there is no variable {key!r} in scope {scope!r}"
    return errors.NotFound(message, code="not_found", status=404)
