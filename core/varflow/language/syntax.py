"""Which programs do not compile, and the engine's complaint in words for people.

Loading a workflow compiles all its programs, in one batch for each language in a worker process of
its own: a program may be as hostile to the compiler as to the evaluator.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import orjson

from varflow.errors import VarflowError
from varflow.language import javascript, reasons, worker
from varflow.language.expressions import Language, Program

NAMES = ("input", "steps")
"""The variables that programs may use (design.md §4)."""
_COMPILE_SECONDS = 0.02
"""Allowed for each program when many are compiled; usually it takes a tenth of that."""
_MAX_COMPLAINT = 200
_TOKENS = {
    "BINDING": "a variable",
    "FIELD": "a field",
    "FORMAT": "a format",
    "IDENT": "a name",
    "INVALID_CHARACTER": "a character that jq does not know",
    "LITERAL": "a number",
    "QQSTRING_END": "the end of a text",
    "QQSTRING_START": "a text",
}
"""Names of jq's tokens in its complaints."""
_TOKEN = re.compile(rf"\b({'|'.join(_TOKENS)})\b")
_MENTION = re.compile(r"\$\s*([A-Za-z_]\w*)", re.ASCII)
_COMPLAINT = re.compile(r"jq: error: (.*?) at <top-level>, line (\d+), column (\d+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one evaluation may use."""

    seconds: float = 10.0
    memory_bytes: int = 512 * 1024**2
    """Address space of a worker, some 16 MiB of which are the interpreter and the engine."""
    result_bytes: int = 32 * 1024**2
    """Longest result of one program, as JSON."""


def find_faults(
    programs: Collection[Program], *, limits: Limits | None = None
) -> dict[Program, str]:
    """Return what is wrong with each program that does not compile. Waits for processes.

    Raises:
        VarflowError: the programs cannot be compiled within the limits.
    """
    found: dict[Program, str] = {}
    for language in Language:
        own = sorted({it for it in programs if it.language is language}, key=lambda it: it.source)
        found |= _find(language, own, limits or Limits()) if own else {}
    return found


def is_installed(language: Language) -> bool:
    """Tell whether programs of the language can run here."""
    return language is not Language.JS or importlib.util.find_spec("_quickjs") is not None


def command(language: Language, limits: Limits) -> list[str]:
    """Return the command line of a worker."""
    path = str(Path(worker.__file__).resolve())
    sizes = (str(limits.memory_bytes), str(limits.result_bytes))
    return [sys.executable, "-I", path, language, *sizes]


def ending(status: int | None, limits: Limits) -> str:
    """Return why a worker with this exit status ended in the middle of a program."""
    mebibytes = limits.memory_bytes // 1024**2
    known = {
        -6: f"it needs more than {mebibytes} MiB of memory",
        -11: "its data is nested too deeply",
        -14: f"it takes longer than {limits.seconds:g} s",
        worker.OUT_OF_MEMORY: f"it needs more than {mebibytes} MiB of memory",
    }
    if status is None:
        return "its worker process is gone"
    return known.get(status, f"its worker process ended with status {status}")


def find_mentions(source: str) -> set[str]:
    """Return the variables that a program names."""
    return set(_MENTION.findall(source))


def readable(program: Program, message: str) -> str:
    """Return the complaint about a program, with places in the program as it was written."""
    read = _read_jq if program.language is Language.JQ else javascript.refusal
    return read(message, program.source)


def _find(language: Language, programs: list[Program], limits: Limits) -> dict[Program, str]:
    if not is_installed(language):
        return dict.fromkeys(programs, javascript.MISSING)
    sources = [it.source for it in programs]
    seconds = limits.seconds + len(sources) * _COMPILE_SECONDS
    head = orjson.dumps({"programs": sources, "names": NAMES, "seconds": seconds})
    done = subprocess.run(
        command(language, limits),
        input=worker.REQUEST.pack(len(head), 0) + head,
        stdout=subprocess.PIPE,
        env={},
        check=False,
    )
    if done.returncode:
        reason = ending(done.returncode, limits)
        raise VarflowError(f"the {language} programs cannot be compiled: {reason}")
    # Behind the headers of two frames: ready, and the answer.
    messages = orjson.loads(done.stdout[2 * worker.REPLY.size :])
    found = zip(programs, messages, strict=True)
    return {it: readable(it, message) for it, message in found if message}


def _read_jq(message: str, source: str) -> str:
    lines = source.count("\n") + 1
    complaints = [
        (said, int(line) - 1, column) for said, line, column in _COMPLAINT.findall(message)
    ]
    inside = [it for it in complaints if 1 <= it[1] <= lines]
    if not complaints:
        said = reasons.shortened(message.strip().partition("\n")[0], _MAX_COMPLAINT)
        return f"jq cannot compile this: {said}"
    if not inside:
        return "jq cannot compile this: it ends too early"
    said, line, column = inside[0]
    where = f"line {line}, column {column}" if lines > 1 else f"column {column}"
    said = reasons.shortened(_in_words(" ".join(said.split())), _MAX_COMPLAINT)
    return f"jq cannot compile this: {said} ({where} of the program)"


def _in_words(complaint: str) -> str:
    if not complaint.startswith("syntax error"):
        return complaint  # names may stand in it
    return _TOKEN.sub(lambda token: _TOKENS[token[0]], complaint)
