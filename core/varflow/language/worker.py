"""The process in which programs run: started by `pools` and `syntax`, by path, isolated.

It runs one language, jq or JavaScript, and loads no other engine. Frames come in on descriptor 0
and go out on descriptor 1 (a socket). A request is a head, which names the programs, and a body
`[data, variable, ...]` that goes to the engine as it came: values are not decoded here, so that
integers beyond 2**53 survive as long as no program computes with them.

A program may loop, eat memory or look around; what it finds:

- no environment, no descriptors to open a file with (`import`, `~/.jq`), no home;
- an alarm that ends the process some time after the parent would have, should the parent be gone;
- a limit on the address space, on which jq aborts the process and JavaScript throws.

jq: each source is compiled once. It is put into brackets, behind a line that binds the variables
and before one that stops it after two results; both have lines of their own, which keeps jq's
columns right and its lines off by one. Only bracketed text is compiled: `import` and `include` may
stand at a program's beginning only, and are syntax errors here.

JavaScript: a source is the body of a function. Each call has a runtime of its own (0.2 ms), so that
nothing that a program leaves in its globals reaches another instance.

Nothing of Varflow is imported: that keeps the process small and its start quick.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import struct
import sys
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

REQUEST = struct.Struct(">II")
"""Lengths of head and body."""
REPLY = struct.Struct(">BI")
"""Outcome, and length of the payload."""
DONE = 0
"""Payload: for every program the list of its first two results; without a body what is wrong with
it, or null. Also the frame that a worker sends when it is ready."""
FAILED = 1
"""Payload: which program, what kind of failure, and the engine's message."""
RETIRING = 128
"""Added to the outcome by a worker that has grown and wants to be replaced."""
OUT_OF_MEMORY = 12
"""Exit status when Python, not the engine, meets the limit."""
COMPILED = 512
"""jq programs kept compiled, at some 15 KiB each."""
JS_LINES = 2
"""Lines that stand before a JavaScript program in the text that is compiled."""
_JS_STACK = 1024**2
"""Far below the 8 MiB that a main thread has: the engine's own recursion comes on top."""
_AROUND = os.path.join(os.path.dirname(__file__), "worker.js")
"""What is compiled around each program."""
_LONG = re.compile(r"\d{16}")
"""What integers beyond 2**53 have."""
_HALF = re.compile(r"(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}")
"""An escaped half of a character, which JSON may have in JavaScript and nowhere else."""
_MAX_MESSAGE = 2000


class _FailureError(Exception):
    """A program that cannot be compiled or ended with an error."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class Engine(Protocol):
    """What runs the programs of one language."""

    def check(self, source: str, names: Sequence[str]) -> None:
        """Compile a program, or raise _FailureError."""

    def run(self, source: str, names: Sequence[str], body: str) -> str:
        """Return the JSON list of a program's first two results, or raise _FailureError."""


class Jq:
    """jq 1.8, by its library."""

    def __init__(self, memory_bytes: int) -> None:
        import jq

        self._compile = lru_cache(maxsize=COMPILED)(
            lambda source, names: _translated(jq.compile, _wrap(source, names))
        )

    def check(self, source: str, names: Sequence[str]) -> None:
        self._compile(source, tuple(names))

    def run(self, source: str, names: Sequence[str], body: str) -> str:
        program = self._compile(source, tuple(names))
        text = _translated(lambda: next(iter(program.input_text(body)), None), kind="runtime")
        if text is None:
            raise _FailureError("halt", "")
        return str(text)


class JavaScript:
    """QuickJS-ng, without its modules for files and processes."""

    def __init__(self, memory_bytes: int) -> None:
        # Not `quickjs`, which starts a thread: more address space than most programs ever use.
        import _quickjs as quickjs

        self._quickjs = quickjs
        # The rest is for copies of data and result, which the engine does not count.
        self._memory_bytes = memory_bytes * 3 // 4
        with open(_AROUND, encoding="utf-8") as file:
            self._around = " ".join(file.read().split())
        # Wherever this runs, and also once no file with time zones can be read.
        os.environ["TZ"] = "UTC0"
        time.tzset()

    def check(self, source: str, names: Sequence[str]) -> None:
        self._compile(source, names)

    def run(self, source: str, names: Sequence[str], body: str) -> str:
        program = self._compile(source, names)
        text = self._call("runtime", program, body, bool(_LONG.search(body)))
        return "[" + (_HALF.sub(r"\1\\ufffd", text) if text else "") + "]"

    def _compile(self, source: str, names: Sequence[str]) -> Any:
        """Return the program, in a runtime that lives as long as it."""
        runtime = self._quickjs.Context()
        runtime.set_memory_limit(self._memory_bytes)
        runtime.set_max_stack_size(_JS_STACK)
        parameters = ",".join(["data", *(f"${name}" for name in names)])
        return self._call("syntax", runtime.eval(self._around), source, parameters)

    def _call(self, kind: str, function: Any, *args: Any) -> Any:
        try:
            return function(*args)
        except self._quickjs.JSException as error:
            said, at, stack = str(error).partition("\n    at ")
            if said == "InternalError: out of memory":
                kind = "memory"
            message = said[:_MAX_MESSAGE] + at + stack[:_MAX_MESSAGE]
            raise _FailureError(kind, message) from error


ENGINES: Mapping[str, Callable[[int], Engine]] = {"jq": Jq, "js": JavaScript}


def main() -> None:
    """Serve requests until the other end closes."""
    language, memory_bytes, result_bytes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    import orjson

    engine = ENGINES[language](memory_bytes)
    statm = _open_statm()
    _confine(memory_bytes)
    _write(DONE, b"")
    with open(0, "rb", closefd=False) as stream:
        while request := _read(stream):
            head, body = orjson.loads(request[0]), request[1]
            programs, names = head["programs"], head["names"]
            signal.setitimer(signal.ITIMER_REAL, head["seconds"])
            if body:
                outcome, payload = _run(engine, programs, names, body.decode(), result_bytes)
            else:
                outcome, payload = DONE, [_check(engine, it, names) for it in programs]
            signal.setitimer(signal.ITIMER_REAL, 0)
            data = payload if isinstance(payload, bytes) else orjson.dumps(payload)
            is_large = _resident_bytes(statm) > memory_bytes // 4
            _write(outcome | RETIRING if is_large else outcome, data)


def _confine(memory_bytes: int) -> None:
    """Give up everything that programs have no use for."""
    os.environ.clear()
    os.chdir("/")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    if sys.platform == "linux":
        _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_NOFILE, 3)


def _limit(kind: int, value: int) -> None:
    resource.setrlimit(kind, (value, value))


def _run(
    engine: Engine, programs: Sequence[str], names: Sequence[str], body: str, result_bytes: int
) -> tuple[int, bytes | list[Any]]:
    results = []
    for place, source in enumerate(programs):
        try:
            results.append(_bounded(engine.run(source, names, body).encode(), result_bytes))
        except _FailureError as failure:
            return FAILED, [place, failure.kind, failure.message]
    return DONE, b"[" + b",".join(results) + b"]"


def _bounded(data: bytes, result_bytes: int) -> bytes:
    if len(data) > result_bytes:
        raise _FailureError("size", str(len(data)))
    return data


def _check(engine: Engine, source: str, names: Sequence[str]) -> str | None:
    try:
        engine.check(source, names)
    except _FailureError as failure:
        return failure.message
    return None


def _wrap(source: str, names: Sequence[str]) -> str:
    """Return the text that is compiled for a jq program that uses the variables `names`."""
    bound = "".join(f".[{place}] as ${name} | " for place, name in enumerate(names, start=1))
    return f"{bound}.[0] | [limit(2; (\n{source}\n))] | tojson"


def _translated(call: Any, *args: Any, kind: str = "syntax") -> Any:
    try:
        return call(*args)
    except ValueError as error:
        raise _FailureError(kind, str(error)) from error


def _open_statm() -> int | None:
    """Open what Linux says of this process's memory, while files can be opened."""
    try:
        return os.open("/proc/self/statm", os.O_RDONLY)
    except FileNotFoundError:
        return None


def _resident_bytes(statm: int | None) -> int:
    """Return how much memory this process holds; where that is not known, what it ever held.

    `ru_maxrss` is the second choice: on Linux it begins with the parent's figure, so that every
    worker of a large parent would look large from the start.
    """
    if statm is None:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(os.pread(statm, 64, 0).split()[1]) * resource.getpagesize()


def _read(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    header = stream.read(REQUEST.size)
    if len(header) < REQUEST.size:
        return None
    head_length, body_length = REQUEST.unpack(header)
    return stream.read(head_length), stream.read(body_length)


def _write(outcome: int, payload: bytes) -> None:
    view = memoryview(REPLY.pack(outcome, len(payload)) + payload)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    try:
        main()
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except BrokenPipeError:
        os._exit(0)
