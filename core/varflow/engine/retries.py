"""Whether an action that failed is tried again, and when. PURE.

An action's own `retries` are Direktiv's; without them the workflow's `retry` counts: first so many
times after a constant delay, then with delays that grow. There the exponent counts *all* previous
attempts, the constant ones too, so that going from one to the other never shortens the wait:

    constant 2 × 1 s, exponential 3 × with multiplier 1 and delay 3 s ──► 1, 1, 27, 81, 243

`retries` name their codes and end as `direktiv.retries.exceeded`, as in Direktiv. `retry` takes
every error that could be caught, and leaves the last one as it is: a catch of it still works.
"""

from __future__ import annotations

from typing import Final

from varflow.engine import codes
from varflow.engine.faults import Fault, make_fault
from varflow.language import patterns
from varflow.language.retries import Retries
from varflow.language.workflow import Retry

LONGEST_DELAY_SECONDS: Final = 10 * 365 * 86400.0
"""Between attempts: longer than any instance lives."""


def takes(policy: Retries | Retry, fault: Fault) -> bool:
    """Say whether such an error is a reason to try again."""
    if isinstance(policy, Retry):
        return fault.is_catchable
    return fault.is_catchable and patterns.is_match(policy.codes, fault.code)


def delay(policy: Retries | Retry, attempt: int) -> float | None:
    """Return the seconds after an attempt, counted from 0; None when it was the last."""
    if isinstance(policy, Retry):
        return _delay_of_default(policy, attempt)
    if attempt >= policy.max_attempts:
        return None
    return _bounded(policy.delay, policy.multiplier, attempt, most=LONGEST_DELAY_SECONDS)


def used_up(policy: Retries | Retry, attempt: int, fault: Fault) -> Fault:
    """Return the error of an action whose last attempt failed with `fault`."""
    if isinstance(policy, Retry):
        return fault
    return make_fault(
        codes.RETRIES_EXCEEDED, f"gave up after {attempt + 1} attempts; the last: {fault}"
    )


def _delay_of_default(policy: Retry, attempt: int) -> float | None:
    constant, exponential = policy.constant, policy.exponential
    first = constant.attempts if constant else 0
    if constant and attempt < first:
        return constant.delay
    if exponential and attempt < first + exponential.attempts:
        return _bounded(
            exponential.multiplier, exponential.delay, attempt + 1, most=exponential.maxDelay
        )
    return None


def _bounded(factor: float, base: float, exponent: int, *, most: float) -> float:
    """Return factor × base ^ exponent, or `most`; infinity is no JSON."""
    try:
        return min(factor * base**exponent, most)
    except OverflowError:
        return most
