"""From an action's `files` to what its sidecar mounts (direktiv-contract.md §1.8). PURE.

The function's files come first, then the action's. Every field may be an expression, so
everything is checked here again, on the values; the same name for two files is an error wherever
it comes from. Whether a name stays inside the folder is for the sidecar to see, which creates the
file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from varflow.contract import FileMount, FileType
from varflow.engine import codes, fields
from varflow.engine.faults import StateError
from varflow.engine.messages import Json
from varflow.language.expressions import Listing, Template
from varflow.language.workflow import FileSpec

_OCTAL: Final = re.compile(r"(0o?)?[0-7]{1,3}")


def make_template(files: Sequence[FileSpec]) -> Template:
    """Return one template for all fields of all files: one question instead of five a file."""
    return Listing(
        tuple(
            Listing((file.key, file.scope, file.as_, file.type, file.permissions)) for file in files
        )
    )


def parse(rows: Sequence[Sequence[Json]]) -> tuple[FileMount, ...]:
    """Return the mounts for the evaluated fields.

    Raises:
        StateError: a field is not what it should be; names the file and the field.
    """
    mounts = tuple(_parse_row(f"files[{place}]", row) for place, row in enumerate(rows))
    _check_names(mounts)
    return mounts


def _parse_row(where: str, row: Sequence[Json]) -> FileMount:
    key, scope, as_name, type_, permissions = row
    return FileMount(
        key=fields.parse_key(f"{where}.key", key),
        scope=fields.parse_scope(f"{where}.scope", scope or "instance"),
        as_name=fields.parse_text(f"{where}.as", as_name),
        type=_parse_type(f"{where}.type", type_ or "plain"),
        permissions=_parse_permissions(f"{where}.permissions", permissions),
    )


def _check_names(mounts: Sequence[FileMount]) -> None:
    seen: set[str] = set()
    for place, mount in enumerate(mounts):
        name = mount.as_name or mount.key
        if name in seen:
            raise StateError(
                codes.INVALID_KEY,
                f"files[{place}]: another file is called {name!r}, too; rename one with `as`",
            )
        seen.add(name)


def _parse_type(where: str, value: Json) -> FileType:
    try:
        return FileType(value)
    except ValueError:
        names = ", ".join(FileType)
        raise StateError(
            codes.INVALID_FILE_TYPE, f"{where}: {value!r} is none of {names}"
        ) from None


def _parse_permissions(where: str, value: Json) -> int | None:
    """Read octal digits. A number is refused: YAML has made 493 of 0755 but 755 of 755."""
    if value == "":
        return None
    if not isinstance(value, str) or not _OCTAL.fullmatch(value):
        raise StateError(
            codes.INVALID_PERMISSIONS,
            f"{where}: {value!r} is not a string of octal digits; write it as '0644'",
        )
    return int(value.removeprefix("0o"), 8)
