"""Gives templates their values: jq and JavaScript in small pools of worker processes.

A program is the workflow author's, and perhaps nobody's friend: it runs in a process without
environment and files, with bounded memory and time (see `worker`), and ends alone when it runs
into a limit (see `pools`). An evaluation costs a round trip over a socket pair, some 0.1 ms, and
each JavaScript program a runtime of its own, twice as much; templates without programs and plain
paths cost none.

What becomes of numbers: integers of up to 64 bits that a program only moves about stay exact. jq
computes, compares and sorts in doubles, exact up to 2**53; JavaScript sees integers beyond as
BigInt, and refuses to mix the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import orjson

from varflow.errors import ExpressionError
from varflow.language import expressions, javascript, reasons, shortcuts, syntax, worker
from varflow.language.expressions import Language, Literal, Program, Template
from varflow.language.pools import CannotRunError, Pool
from varflow.language.syntax import Limits

_ALARM_SECONDS = 1.0
"""How much later than the pool a worker's own alarm ends it."""
_NULL = {
    Language.JQ: "it gives null; `//` gives a default",
    Language.JS: "it gives null; `??` gives a default",
}
_NOTHING = {
    Language.JQ: "it gives no result",
    Language.JS: "it gives no result; `return` gives one",
}


class Evaluator:
    """Pools of workers; `close` it, or use it as a context manager."""

    def __init__(self, *, workers: int = 2, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._pools = {it: Pool(it, workers=workers, limits=self._limits) for it in Language}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def evaluate(
        self,
        template: Template,
        data: Any,
        variables: Mapping[str, Any] | None = None,
        *,
        allow_null: bool = False,
    ) -> Any:
        """Return a template's value over `data`.

        The value may share parts with `data`, which must not be changed in place.

        Args:
            template: what `expressions.parse` gave.
            data: what programs see as `.`.
            variables: what they see as `$name`, such as `input` and `steps`.
            allow_null: take null from a template that is one program, as a setter does.

        Raises:
            ExpressionError: a program gave null, no result or several, failed, or took too much.
            VarflowError: no worker can be started, or the pool is closed.
        """
        if isinstance(template, Literal):
            return template.value
        programs = [program for _, program in expressions.walk(template)]
        may_be_null = allow_null and isinstance(template, Program)
        results = await self._results(programs, data, variables or {})
        values = (
            _single(program, found, data, allow_null=may_be_null)
            for program, found in zip(programs, results, strict=True)
        )
        return expressions.fill(template, values)

    async def close(self) -> None:
        """End all workers."""
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))

    async def _results(
        self, programs: Sequence[Program], data: Any, variables: Mapping[str, Any]
    ) -> list[list[Any]]:
        """Return the first two results of each program."""
        try:
            return [[shortcuts.follow(program, data)] for program in programs]
        except shortcuts.NoShortcutError:
            pass
        found = {
            language: iter(await self._run(language, own, data, variables))
            for language in Language
            if (own := [it for it in programs if it.language is language])
        }
        return [next(found[program.language]) for program in programs]

    async def _run(
        self,
        language: Language,
        programs: Sequence[Program],
        data: Any,
        variables: Mapping[str, Any],
    ) -> list[list[Any]]:
        request = _request(programs, data, variables, self._limits)
        try:
            outcome, payload = await self._pools[language].ask(request)
        except CannotRunError as error:
            raise _error(programs, str(error), data) from error
        if outcome == worker.FAILED:
            place, kind, message = orjson.loads(payload)
            raise _error(
                [programs[place]], _reason(programs[place], kind, message, self._limits), data
            )
        try:
            results: list[list[Any]] = orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            reason = "its result is nested too deeply, or holds a number that is too large"
            raise _error(programs, reason, data) from error
        return results


def _request(
    programs: Sequence[Program], data: Any, variables: Mapping[str, Any], limits: Limits
) -> bytes:
    """Return a frame with the data, and only those variables that a program mentions."""
    mentions = set().union(*(syntax.find_mentions(program.source) for program in programs))
    names = [name for name in variables if name in mentions]
    seconds = limits.seconds + _ALARM_SECONDS
    try:
        head = orjson.dumps(
            {"programs": [it.source for it in programs], "names": names, "seconds": seconds}
        )
        body = orjson.dumps([data, *(variables[name] for name in names)])
    except TypeError as error:
        reason = f"its input is no JSON: {str(error).lower()}"
        raise _error(programs, reason, data) from error
    return worker.REQUEST.pack(len(head), len(body)) + head + body


def _single(program: Program, results: Sequence[Any], data: Any, *, allow_null: bool) -> Any:
    if len(results) != 1:
        several = "it gives several results; put them in an array"
        raise _error([program], several if results else _NOTHING[program.language], data)
    if results[0] is None and not allow_null:
        raise _error([program], _NULL[program.language], data)
    return results[0]


def _reason(program: Program, kind: str, message: str, limits: Limits) -> str:
    """Return why a program failed, from what its worker says of it."""
    match kind:
        case "syntax":
            return syntax.readable(program, message)
        case "halt":
            return "it halts instead of giving a result"
        case "size":
            return f"its result is too large ({message} bytes)"
        case "memory":
            return syntax.ending(worker.OUT_OF_MEMORY, limits)
        case _ if program.language is Language.JS:
            return javascript.failure(message, program.source)
        case _ if message == "break":
            return "`input` has nothing to read; programs see their input as `.`"
        case _:
            return reasons.redact(message, program.source)


def _error(programs: Sequence[Program], reason: str, data: Any) -> ExpressionError:
    """Return the error; of several programs it is not known which one failed."""
    sources = " or ".join(f"{it.language}({it.source})" for it in programs)
    return ExpressionError(
        f"{reasons.shown(sources)} failed: {reason}; its input is {reasons.shape(data)}"
    )
