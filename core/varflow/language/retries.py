"""When actions are tried again: what one says of itself, or a workflow of all. PURE."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from varflow.language import bounds, fields
from varflow.language.codes import Code
from varflow.language.fields import Model, Pattern, Seconds


class Retries(Model):
    """When and how often an action is tried again."""

    max_attempts: Annotated[int, Field(strict=True, ge=1, le=bounds.ATTEMPTS)]
    """Further attempts after the first."""
    delay: Seconds = 5.0
    """How long to wait before the second attempt, as an ISO 8601 duration; PT5S unless given."""
    multiplier: float = Field(default=1.0, ge=0, le=1000, allow_inf_nan=False)
    """How many times longer each further wait is; 1 unless given."""
    codes: tuple[Pattern, ...] = Field(min_length=1, max_length=bounds.CODES)
    """Patterns of the error codes after which to try again."""


class ConstantRetry(Model):
    """The first further attempts: always after the same time."""

    attempts: Annotated[int, Field(strict=True, ge=1, le=bounds.ATTEMPTS)]
    """Further attempts after the first."""
    delay: Seconds = 5.0
    """How long to wait before each, as an ISO 8601 duration; PT5S unless given."""


class ExponentialRetry(Model):
    """The further attempts after those: after longer and longer times."""

    attempts: Annotated[int, Field(strict=True, ge=1, le=bounds.ATTEMPTS)]
    """Further attempts after the first, and after those of `constant`."""
    delay: Seconds = 5.0
    """In seconds, the base; the exponent counts the attempts so far; PT5S unless given."""
    multiplier: float = Field(default=1.0, ge=0, le=1000, allow_inf_nan=False)
    """What that is multiplied with; 1 unless given."""
    maxDelay: Seconds = 21600.0
    """The longest wait, as an ISO 8601 duration; PT6H unless given."""


class Retry(Model):
    """When and how often actions without `retries` of their own are tried again."""

    constant: ConstantRetry | None = None
    """The first further attempts: always after the same time."""
    exponential: ExponentialRetry | None = None
    """The further attempts after those: after longer and longer times."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.constant is None and self.exponential is None:
            fields.fail("is empty; give constant, exponential or both", code=Code.MISSING_FIELD)
        return self
