"""The process in which jq programs run: started by `evaluating` and `syntax`, by path, isolated.

Frames come in on descriptor 0 and go out on descriptor 1 (a socket). A request is a head, which
names the programs, and a body `[data, variable, ...]` that goes to jq as it came: values are not
decoded here, so that numbers beyond 2**53 survive as long as no program computes with them.

A program may loop, eat memory or look around; what it finds:

- no environment, no descriptors to open a file with (`import`, `~/.jq`), no home;
- an alarm that ends the process some time after the parent would have, should the parent be gone;
- a limit on the address space, on which jq aborts the process.

Each source is compiled once. It is put into brackets, behind a line that binds the variables and
before one that stops it after two results; both have lines of their own, which keeps jq's columns
right and its lines off by one. Only bracketed text is compiled: `import` and `include` may stand
at a program's beginning only, and are syntax errors here.

Nothing of Varflow is imported: that keeps the process small and its start quick.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import sys
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REQUEST = struct.Struct(">II")
"""Lengths of head and body."""
REPLY = struct.Struct(">BI")
"""Outcome, and length of the payload."""
DONE = 0
"""Payload: for every program the list of its first two results; without a body what is wrong with
it, or null. Also the frame that a worker sends when it is ready."""
FAILED = 1
"""Payload: which program, what kind of failure, and jq's message."""
RETIRING = 128
"""Added to the outcome by a worker that has grown and wants to be replaced."""
OUT_OF_MEMORY = 12
"""Exit status when Python, not jq, meets the limit."""
COMPILED = 512
"""Programs kept compiled, at some 15 KiB each."""


class _FailureError(Exception):
    """A program that cannot be compiled or ended with an error."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def wrap(source: str, names: Sequence[str]) -> str:
    """Return the text that is compiled for a program that uses the variables `names`."""
    bound = "".join(f".[{place}] as ${name} | " for place, name in enumerate(names, start=1))
    return f"{bound}.[0] | [limit(2; (\n{source}\n))] | tojson"


def main() -> None:
    """Serve requests until the other end closes."""
    memory_bytes, result_bytes = int(sys.argv[1]), int(sys.argv[2])
    import jq
    import orjson

    statm = _open_statm()
    _confine(memory_bytes)
    compile_ = lru_cache(maxsize=COMPILED)(
        lambda source, names: _translated(jq.compile, wrap(source, names))
    )
    _write(DONE, b"")
    with open(0, "rb", closefd=False) as stream:
        while request := _read(stream):
            head, body = orjson.loads(request[0]), request[1]
            programs = [partial(compile_, it, tuple(head["names"])) for it in head["programs"]]
            signal.setitimer(signal.ITIMER_REAL, head["seconds"])
            if body:
                outcome, payload = _run(programs, body.decode(), result_bytes)
            else:
                outcome, payload = DONE, [_check(it) for it in programs]
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
    programs: Sequence[Callable[[], Any]], body: str, result_bytes: int
) -> tuple[int, bytes | list[Any]]:
    results = []
    for place, compiled in enumerate(programs):
        try:
            results.append(_first(compiled(), body, result_bytes))
        except _FailureError as failure:
            return FAILED, [place, failure.kind, failure.message]
    return DONE, b"[" + b",".join(results) + b"]"


def _first(program: Any, body: str, result_bytes: int) -> bytes:
    text = _translated(lambda: next(iter(program.input_text(body)), None), kind="runtime")
    if text is None:
        raise _FailureError("halt", "")
    data = text.encode()
    if len(data) > result_bytes:
        raise _FailureError("size", str(len(data)))
    return bytes(data)


def _check(compiled: Callable[[], Any]) -> str | None:
    try:
        compiled()
    except _FailureError as failure:
        return failure.message
    return None


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
