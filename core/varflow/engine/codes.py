"""The error codes that the engine itself raises. PURE.

They keep Direktiv's names, because workflows catch them by name (design.md §4;
direktiv-contract.md §4). Those that Direktiv has no name for follow its pattern.
"""

from __future__ import annotations

from typing import Final

from varflow.contract import CODE_CANCELLED, CODE_INTERNAL, CODE_TIMEOUT

CANCELLED: Final = CODE_CANCELLED
CANCELLED_BY_PARENT: Final = "direktiv.cancels.parent"
INTERNAL: Final = CODE_INTERNAL
TIMEOUT_SOFT: Final = CODE_TIMEOUT
TIMEOUT_HARD: Final = "direktiv.cancels.timeout.hard"

NOT_OBJECT: Final = "direktiv.jq.notObject"
NOT_STRING: Final = "direktiv.jq.notString"

TOO_DEEP: Final = "direktiv.limits.depth"
BAD_ARRAY: Final = "direktiv.foreach.badArray"
ALL_FAILED: Final = "direktiv.parallel.allFailed"
SCHEMA_FAILED: Final = "direktiv.schema.failed"

INVALID_KEY: Final = "direktiv.var.invalidKey"
INVALID_SCOPE: Final = "direktiv.var.invalidScope"
INVALID_PERMISSIONS: Final = "direktiv.var.perms"
INVALID_FILE_TYPE: Final = "direktiv.var.invalidType"
"""Ours: Direktiv does not check a file's type, and its sidecar dies of a wrong one."""
INVALID_VALUE: Final = "direktiv.var.invalidValue"
"""Ours: a value that its `mimeType` cannot encode; in Direktiv the instance crashes."""

RETRIES_EXCEEDED: Final = "direktiv.retries.exceeded"
MULTIPLE_ERRORS: Final = "direktiv.workflow.multipleErrors"
INVALID_WORKFLOW: Final = "direktiv.workflow.invalid"
SECRET_NOT_FOUND: Final = "direktiv.secrets.notFound"

UNCATCHABLE: Final = frozenset({INTERNAL, TIMEOUT_HARD, SECRET_NOT_FOUND})
"""Codes that no `catch` handles, whoever reports them (direktiv-contract.md §4)."""
