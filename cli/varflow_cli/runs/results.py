"""How a run ended, for programs: the object that `varflow run --json` prints, and its exit code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from varflow.engine import codes
from varflow.engine.messages import Finish, InstanceStatus
from varflow.errors import InvalidInput
from varflow.variables import conversions
from varflow_cli.console import failures
from varflow_cli.console.failures import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run."""

    instance: str | None
    """None when nothing was started."""
    status: InstanceStatus
    output: Any = None
    code: str = ""
    message: str = ""
    exit_code: int = 0

    @classmethod
    def of_finish(cls, instance: str, finish: Finish, *, is_late: bool = False) -> Result:
        """Return the result of an instance that has ended; `is_late`: `--timeout` was over."""
        return cls(
            instance=instance,
            status=finish.status,
            output=finish.output,
            code=finish.code,
            message=finish.message,
            exit_code=_exit_code(finish.status, is_late=is_late),
        )

    @classmethod
    def of_failure(cls, instance: str | None, failure: Failure) -> Result:
        """Return the result of a run that broke off: the caller's mistake, or Varflow's failure."""
        is_mistake = failure.exit_code == failures.MISTAKEN
        return cls(
            instance=None if is_mistake else instance,
            status=InstanceStatus.FAILED if is_mistake else InstanceStatus.CRASHED,
            code=failure.code or InvalidInput.code,
            message=failure.message,
            exit_code=failure.exit_code,
        )

    @classmethod
    def of_interrupt(cls) -> Result:
        """Return the result of a run that was cancelled before it had started anything."""
        return cls(
            instance=None,
            status=InstanceStatus.CANCELLED,
            code=codes.CANCELLED,
            message="cancelled before the instance started",
            exit_code=failures.FAILED,
        )

    @property
    def error(self) -> dict[str, str] | None:
        """Why it did not complete; None when it did."""
        if self.status is InstanceStatus.COMPLETE:
            return None
        return {"code": self.code, "message": self.message}

    def encode(self) -> bytes:
        """Return the object as one line of JSON."""
        return encode_json(
            {
                "instance": self.instance,
                "status": self.status,
                "output": self.output,
                "error": self.error,
            }
        )

    def encode_output(self) -> bytes:
        """Return the output alone, indented for people."""
        return indent_json(self.output)


def _exit_code(status: InstanceStatus, *, is_late: bool) -> int:
    if status is InstanceStatus.COMPLETE:
        return 0
    if status is InstanceStatus.CANCELLED and is_late:
        return failures.TIMED_OUT
    return failures.FAILED


def indent_json(value: Any) -> bytes:
    """Return a value as JSON for people; on one line if an integer is too long for that."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2)
    except TypeError:
        return encode_json(value)


def encode_json(value: Any) -> bytes:
    """Return a value as one line of JSON, integers of any length included."""
    return conversions.encode_setter(value) or b"null"
