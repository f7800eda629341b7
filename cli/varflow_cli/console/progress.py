"""What a run shows on standard error: states as they are entered, log lines, functions' output.

    run  ──────► "varflow │ instance 4f1c…"        what happens to the run itself
    engine ────► "  0.012 → greet"                 states, with the seconds since the start
    functions ─► "hello   │ listening"             one prefix a function, one colour a prefix

Append-only lines in both forms, so that a run reads the same on a terminal, in a pipe and in a CI
log, and can be searched; a terminal adds colours (unless NO_COLOR is set). Rejected: a live table,
which hides what scrolled by. rich is loaded for a terminal only: it costs 40 ms.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol, TextIO

from varflow_cli.console import streams

WIDTH: Final = 8
"""Prefixes are padded to this; longer ones push their line to the right."""

_COLOURS: Final = ("cyan", "magenta", "yellow", "blue", "green")
"""For functions, in the order of their first line."""

_LEVELS: Final = {"warning": "yellow", "error": "red"}


class Writer(Protocol):
    """Where styled text goes."""

    def write(self, *parts: tuple[str, str]) -> None:
        """Write one line from (text, style) pairs."""


class PlainWriter:
    """Text without styles."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, *parts: tuple[str, str]) -> None:
        # Nobody may be reading any more (`2>&1 | head`), or the disk be full; the run goes on.
        with contextlib.suppress(OSError):
            self._stream.write("".join(text for text, _ in parts) + "\n")
            self._stream.flush()


class ResultWriter(PlainWriter):
    """The same, for who runs a command to read just this: that nobody can read it is an error."""

    def write(self, *parts: tuple[str, str]) -> None:
        with streams.printing():
            self._stream.write(streams.printable("".join(text for text, _ in parts)) + "\n")


class TerminalWriter:
    """Text in colours."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=stream, highlight=False, soft_wrap=True)

    def write(self, *parts: tuple[str, str]) -> None:
        from rich.text import Text

        self._console.print(Text.assemble(*parts))


def choose_writer(stream: TextIO, environ: Mapping[str, str]) -> Writer:
    """Return colours for a terminal and plain text for everything else."""
    if stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb":
        return TerminalWriter(stream)
    return PlainWriter(stream)


class Progress:
    """Shows one run."""

    def __init__(
        self,
        writer: Writer,
        *,
        mask: Callable[[str], str] = str,
        place: str = "",
        started: float | None = None,
    ) -> None:
        """Write to `writer` what is left of each text after `mask` has hidden secrets.

        Args:
            place: where states and log lines are from, if they are not the run's own.
            started: when the run began, by the monotonic clock; now unless given.
        """
        self._writer = writer
        self._mask = mask
        self._place = place
        self._started = time.monotonic() if started is None else started
        self._colours: dict[str, str] = {}

    def inside(self, name: str) -> Progress:
        """Return what shows an instance below this one: its lines begin with `name`."""
        place = f"{self._place}{name}/"
        return Progress(self._writer, mask=self._mask, place=place, started=self._started)

    def note(self, text: str) -> None:
        """Say something about the run itself."""
        self._lines("varflow", text, prefix_style="bold", style="dim")

    def warn(self, text: str) -> None:
        """Say that something is not as it should be."""
        self._lines("varflow", text, prefix_style="bold", style="yellow")

    def enter(self, state: str) -> None:
        """Say that a state was entered."""
        at = f"{time.monotonic() - self._started:{WIDTH}.3f}"
        self._writer.write((f"{at} → ", "dim"), (self._shown(self._place + state), "bold"))

    def log(self, text: str, *, level: str = "info", source: str = "") -> None:
        """Show a line of the instance's log; `source` is its state."""
        self._lines(
            self._place + (source or "log"), text, prefix_style="dim", style=_LEVELS.get(level, "")
        )

    def show_output(self, function: str, line: str) -> None:
        """Show a line that a function printed."""
        colour = self._colours.setdefault(function, _COLOURS[len(self._colours) % len(_COLOURS)])
        self._lines(function, line, prefix_style=colour, style="")

    def finish(self, status: str, *, error: str = "") -> None:
        """Say how the run ended."""
        at = f"{time.monotonic() - self._started:{WIDTH}.3f}"
        mark, style = ("✔", "green") if status == "complete" else ("✘", "red")
        text = f"{status}: {self._shown(error)}" if error else status
        self._writer.write((f"{at} ", "dim"), (f"{mark} {text}", style))

    def _lines(self, prefix: str, text: str, *, prefix_style: str, style: str) -> None:
        head = f"{self._shown(prefix):<{WIDTH}} │ "
        for line in self._mask(text).split("\n"):
            self._writer.write((head, prefix_style), (streams.visible(line), style))

    def _shown(self, text: str) -> str:
        return streams.visible(self._mask(text))


def to_stdout() -> Progress:
    """Return progress that is a command's result."""
    writer = choose_writer(sys.stdout, os.environ)
    return Progress(ResultWriter(sys.stdout) if isinstance(writer, PlainWriter) else writer)


def to_stderr(*, mask: Callable[[str], str]) -> Progress:
    """Return the progress of a run on standard error."""
    return Progress(choose_writer(sys.stderr, os.environ), mask=mask)


class LogHandler(logging.Handler):
    """Shows warnings of the parts that log, which elsewhere go to a process's own log."""

    def __init__(self, progress: Progress, *, with_traceback: bool) -> None:
        super().__init__(logging.WARNING)
        self._progress = progress
        self._with_traceback = with_traceback

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.warn(record.getMessage())
        if record.exc_info and self._with_traceback:
            self._progress.warn(logging.Formatter().formatException(record.exc_info))


def show_logging(progress: Progress, *, with_traceback: bool) -> None:
    """Have what is logged as a warning or worse shown; tracebacks are for `--debug`."""
    logging.getLogger().addHandler(LogHandler(progress, with_traceback=with_traceback))
