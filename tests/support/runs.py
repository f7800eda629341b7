"""`varflow` as its users call it: real processes, over a store of the test's own."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
"""Where the function programs are imported from."""

DEADLINE_SECONDS = 60.0
"""Long enough for a machine that is busy with other tests; nothing waits that long."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A `varflow` process that has ended."""

    exit_code: int
    stdout: bytes
    log: str

    @property
    def answer(self) -> dict[str, Any]:
        """What `--json` printed."""
        assert self.stdout.count(b"\n") == 1, f"not one line of JSON: {self.stdout!r}\n{self.log}"
        answer = json.loads(self.stdout)
        assert isinstance(answer, dict)
        return answer


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls `varflow` with a folder of its own."""

    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    """Added to this process's own."""

    @property
    def store(self) -> str:
        """URL of the store."""
        return (self.folder / "store").as_uri()

    def start(self, *arguments: str, **environ: str) -> Running:
        """Start `varflow` with these arguments."""
        return Running(
            subprocess.Popen(
                [sys.executable, "-m", "varflow_cli", *arguments],
                cwd=self.folder,
                env=self._environ(environ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        )

    def call(self, *arguments: str, stdin: bytes = b"", **environ: str) -> Ended:
        """Run `varflow` to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "varflow_cli", *arguments],
            cwd=self.folder,
            env=self._environ(environ),
            input=stdin,
            capture_output=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr.decode())

    def run(self, workflow: Path, *arguments: str, stdin: bytes = b"", **environ: str) -> Ended:
        """Run a workflow to its end."""
        return self.call("run", str(workflow), "--json", *arguments, stdin=stdin, **environ)

    def _environ(self, own: dict[str, str]) -> dict[str, str]:
        ours = {"PORT", "NO_COLOR", "VARFLOW_SIDECAR_URL"}
        kept = {name: value for name, value in os.environ.items() if name not in ours}
        temp = self.folder / "tmp"
        temp.mkdir(exist_ok=True)
        return {
            **kept,
            "VARFLOW_STORE": self.store,
            "TMPDIR": str(temp),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH")))),
            **self.environ,
            **own,
        }


class Running:
    """A `varflow` process and what it has printed so far."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._log: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def log(self) -> str:
        """What came on standard error."""
        return "".join(self._log)

    def wait_for(self, text: str) -> str:
        """Return the rest of the line that begins with `text`, once it was printed."""
        return until(lambda: self._find(text), what=f"{text!r} in {self.log}")

    def end(self) -> Ended:
        """Wait until it has ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        stdout = self.process.stdout.read()
        code = self.process.wait(DEADLINE_SECONDS)
        self._reader.join(DEADLINE_SECONDS)
        self.process.stdout.close()
        return Ended(code, stdout, self.log)

    def _find(self, text: str) -> str | None:
        _, found, rest = self.log.partition(text)
        line, newline, _ = rest.partition("\n")
        return line if found and newline else None

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                self._log.append(line.decode())


def until(look: Callable[[], T | None], *, what: str) -> T:
    """Look until there is something to see, not None, and return it."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (seen := look()) is None:
        assert time.monotonic() < deadline, f"still no {what}"
        time.sleep(0.01)
    return seen


def wait_until(is_so: Callable[[], bool], *, what: str) -> None:
    """Look until it is so."""
    until(lambda: is_so() or None, what=what)


def is_group_alive(group: int) -> bool:
    """Tell whether a process of the group runs; one that has ended but was not reaped does not."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = status.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if int(its_group) == group and state not in "ZX":
            return True
    return False


def program(name: str, *arguments: object) -> list[str]:
    """Return the command that starts one of the function programs."""
    return [sys.executable, "-m", f"tests.support.functions.{name}", *map(str, arguments)]


def option(function: str, name: str, *arguments: object) -> list[str]:
    """Return the same as `--function`."""
    return ["--function", f"{function}={shlex.join(program(name, *arguments))}"]


def write_workflow(
    folder: Path,
    *states: dict[str, Any],
    functions: Iterable[dict[str, Any]] = (),
    name: str = "flow",
    **fields: Any,
) -> Path:
    """Write a workflow in Direktiv's YAML and return its file; `fields` are further ones of it."""
    path = folder / f"{name}.yaml"
    own = {"functions": list(functions), "states": list(states)}
    document = {"direktiv_api": "workflow/v1", **own, **fields}
    path.write_text(json.dumps(document, indent=1))
    return path


def write_action(folder: Path, *, name: str = "flow", **action: Any) -> Path:
    """Write a workflow that calls the function `f` once; further fields are the state's."""
    state = {"id": "call", "type": "action", "action": {"function": "f"}, **action}
    return write_workflow(folder, state, functions=[{"id": "f", "image": "an/image:v1"}], name=name)
