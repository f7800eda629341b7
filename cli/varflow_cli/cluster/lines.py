"""Lines of an instance's log on standard output, for people and for programs."""

from __future__ import annotations

import sys
from typing import Final

import orjson

from varflow.logs import LogLine
from varflow_cli.console import streams

_WIDTH: Final = 8
"""As in the progress of a run; longer sources push their line to the right."""


def write_text(line: LogLine) -> None:
    """Write when, from what, and the text; one that has several lines is several."""
    at = f"{line.at:%Y-%m-%dT%H:%M:%S}.{line.at.microsecond // 1000:03d}Z"
    head = f"{at} {streams.visible(line.source):<{_WIDTH}} │ "
    with streams.printing():
        for text in line.text.split("\n"):
            sys.stdout.write(f"{head}{streams.printable(streams.visible(text))}\n")


def write_json(line: LogLine) -> None:
    """Write one object, on one line."""
    entry = {"at": line.at, "level": line.level, "source": line.source, "text": line.text}
    with streams.printing():
        sys.stdout.buffer.write(orjson.dumps(entry) + b"\n")
        sys.stdout.buffer.flush()
