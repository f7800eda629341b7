"""Gives templates their values: jq in a small pool of worker processes.

A program is the workflow author's, and perhaps nobody's friend: it runs in a process without
environment and files, with bounded memory and time (see `worker`). A worker that runs into a limit
is killed and replaced; only the evaluation that did it fails, since a worker has one at a time and
the others wait here.

The pool starts no process before the first program that needs one. An evaluation costs a round trip
over a socket pair, some 0.1 ms; templates without programs and plain paths cost none.

What jq makes of numbers: integers of up to 64 bits that a program only moves about stay exact;
computing, comparing and sorting is done in doubles, exact up to 2**53.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import orjson

from varflow.errors import ExpressionError, VarflowError
from varflow.language import expressions, reasons, shortcuts, syntax, worker
from varflow.language.channels import Channel
from varflow.language.expressions import Language, Literal, Program, Template
from varflow.language.syntax import Limits

_ALARM_SECONDS = 1.0
"""How much later than the pool a worker's own alarm ends it."""


class Evaluator:
    """A pool of workers; `close` it, or use it as a context manager."""

    def __init__(self, *, workers: int = 2, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._free = asyncio.Semaphore(workers)
        self._idle: list[Channel] = []
        self._all: set[Channel] = set()
        self._is_closed = False

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
        self._is_closed = True
        self._idle.clear()
        await asyncio.gather(*(it.close() for it in list(self._all)))
        self._all.clear()

    async def _results(
        self, programs: Sequence[Program], data: Any, variables: Mapping[str, Any]
    ) -> list[list[Any]]:
        """Return the first two results of each program."""
        try:
            return [[shortcuts.follow(_jq(program), data)] for program in programs]
        except shortcuts.NoShortcutError:
            request = _request(programs, data, variables, self._limits)
        outcome, payload = await self._ask(request, programs, data)
        if outcome == worker.FAILED:
            raise _failure(programs, data, *orjson.loads(payload))
        try:
            results: list[list[Any]] = orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            reason = "its result is nested too deeply, or holds a number that is too large"
            raise _error(programs, reason, data) from error
        return results

    async def _ask(
        self, request: bytes, programs: Sequence[Program], data: Any
    ) -> tuple[int, bytes]:
        async with self._free:
            it = await self._take()
            reply: tuple[int, bytes] | None = None
            status: int | None = None
            try:
                reply = await it.ask(request, seconds=self._limits.seconds)
            except TimeoutError as error:
                reason = f"it takes longer than {self._limits.seconds:g} s"
                raise _error(programs, reason, data) from error
            finally:
                is_retiring = reply is None or reply[0] & worker.RETIRING
                if is_retiring or self._is_closed:
                    status = await self._discard(it)
                else:
                    self._idle.append(it)
        if reply is None and self._is_closed:
            raise VarflowError("the evaluator was closed")
        if reply is None:
            raise _error(programs, syntax.ending(status, self._limits), data)
        return reply[0] & ~worker.RETIRING, reply[1]

    async def _take(self) -> Channel:
        while self._idle:
            it = self._idle.pop()
            if it.is_alive:
                return it
            await self._discard(it)
        if self._is_closed:
            raise VarflowError("the evaluator is closed")
        it = await Channel.open(self._limits)
        self._all.add(it)
        return it

    async def _discard(self, it: Channel) -> int | None:
        self._all.discard(it)
        return await it.kill()


def _jq(program: Program) -> str:
    if program.language is not Language.JQ:
        raise ExpressionError(f"{program.language}( is not available yet; use jq(")
    return program.source


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
        reason = (
            "it gives several results; put them in an array" if results else "it gives no result"
        )
        raise _error([program], reason, data)
    if results[0] is None and not allow_null:
        raise _error([program], "it gives null; `//` gives a default", data)
    return results[0]


def _failure(
    programs: Sequence[Program], data: Any, place: int, kind: str, message: str
) -> ExpressionError:
    source = programs[place].source
    match kind:
        case "syntax":
            reason = syntax.readable(message, source)
        case "halt":
            reason = "it halts instead of giving a result"
        case "size":
            reason = f"its result is too large ({message} bytes)"
        case "runtime" if message == "break":
            reason = "`input` has nothing to read; programs see their input as `.`"
        case _:
            reason = reasons.redact(message, source)
    return _error([programs[place]], reason, data)


def _error(programs: Sequence[Program], reason: str, data: Any) -> ExpressionError:
    """Return the error; of several programs it is not known which one failed."""
    sources = " or ".join(f"{it.language}({it.source})" for it in programs)
    return ExpressionError(
        f"{reasons.shown(sources)} failed: {reason}; its input is {reasons.shape(data)}"
    )
