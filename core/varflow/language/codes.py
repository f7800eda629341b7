"""What kinds of thing are wrong in files, as words that programs may match. PURE.

Messages are for people and get better; these stay (docs/errors.md lists them). They are few on
purpose: a program asks what to do about a problem, not which check has found it.
"""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """What is wrong, of errors first and then of warnings."""

    UNREADABLE_FILE = "unreadable_file"
    INVALID_YAML = "invalid_yaml"
    UNKNOWN_DOCUMENT = "unknown_document"
    UNKNOWN_FIELD = "unknown_field"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    INVALID_VALUE = "invalid_value"
    INVALID_EXPRESSION = "invalid_expression"
    OUT_OF_BOUNDS = "out_of_bounds"
    DUPLICATE_NAME = "duplicate_name"
    CONFLICTING_FIELDS = "conflicting_fields"
    UNKNOWN_STATE = "unknown_state"
    UNKNOWN_FUNCTION = "unknown_function"
    NOT_SUPPORTED = "not_supported"
    NOT_YET = "not_yet"
    UNREACHABLE = "unreachable"
    PROGRAM_AS_TEXT = "program_as_text"
    UNKNOWN_WORKFLOW = "unknown_workflow"
    ENDLESS_SUBFLOWS = "endless_subflows"
