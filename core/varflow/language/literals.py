"""What may be wrong with texts that are written literally, not as expressions. PURE.

Each function returns what to say of the text after its field's name, or None.
"""

from __future__ import annotations

import re
from typing import Final

from varflow.language import wording
from varflow.variables import keys, scopes

SCOPES: Final = tuple(scope.value for scope in scopes.Scope)
FILE_TYPES: Final = ("plain", "base64", "tar", "tar.gz")
OCTAL: Final = re.compile(r"(0o?)?[0-7]{1,3}")


def find_key_fault(text: str) -> str | None:
    """Return what is wrong with a variable's key."""
    fault = keys.find_fault(text)
    return f"the key {wording.shown(text)} {fault}" if fault else None


def find_scope_fault(text: str) -> str | None:
    """Return what is wrong with a scope."""
    if text in SCOPES:
        return None
    return f"unknown scope {wording.shown(text)}; a scope is one of {', '.join(SCOPES)}"


def find_type_fault(text: str) -> str | None:
    """Return what is wrong with a file's type."""
    if text in FILE_TYPES:
        return None
    return f"unknown type {wording.shown(text)}; a file is one of {', '.join(FILE_TYPES)}"


def find_permissions_fault(text: str) -> str | None:
    """Return what is wrong with a file's mode; empty is the default."""
    if not text or OCTAL.fullmatch(text):
        return None
    return f"{wording.shown(text)} is not a file mode in octal digits, such as '0644'"


def find_target_fault(name: str) -> str | None:
    """Return what is wrong with `name` as a file's place in the temp dir.

    It may have sub-folders and never leaves the temp dir; `out/` is where results go.
    """
    if not name:
        return None
    said, parts = wording.shown(name), name.split("/")
    if name.startswith("/"):
        return f"{said} is absolute; it is a place in the function's temp dir"
    for part in parts:
        fault = keys.find_fault(part)
        if fault:
            return (
                f"{said} is no safe place in the temp dir: the part {wording.shown(part)} {fault}"
            )
    return f"{said} is in out/, which is for results" if parts[0] == "out" else None


def find_no_fault(_: str) -> None:
    """Accept every text."""
    return
