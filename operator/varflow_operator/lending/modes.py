"""Which credentials sidecars get, and the error when they can get none. PURE."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from varflow.errors import VarflowError


class Mode(StrEnum):
    """What `VARFLOW_STORE_CREDENTIALS` says."""

    AUTO = "auto"
    """Limited ones where the store lends them, else those of the operator."""
    STATIC = "static"
    """Those of the operator."""
    ASSUME_ROLE = "assume-role"
    """Limited ones, or none: workflows wait."""


class NotLent(VarflowError):
    """The store lends no limited credentials, and asking again at once would not help."""

    code: ClassVar[str] = "credentials_not_lent"
    status: ClassVar[int] = 502
