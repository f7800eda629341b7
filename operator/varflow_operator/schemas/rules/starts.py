"""What a start may say. PURE."""

from __future__ import annotations

from typing import Final

from varflow.language.starts import STARTS as TYPES
from varflow_operator.schemas.rules import variants

STARTS: Final = (
    *variants.make_rules(
        TYPES, at="spec.start", one="a start", only_for="a start", has_default=True
    ),
)
