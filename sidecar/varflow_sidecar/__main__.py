"""The sidecar's process: settings, store, applications, servers; then wait to be stopped."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import Final

import uvloop

import varflow
from varflow.contract import SidecarSettings
from varflow.errors import InvalidInput, StoreError
from varflow_sidecar import process

_USAGE: Final = """\
usage: varflow-sidecar [--help] [--version]

Stands beside a function: mounts the variables of its actions, serves /var, /vars, /state and /log
on the loopback addresses, and commits what the function leaves under out/.

All settings are environment variables:
"""


def main() -> None:
    """Run the sidecar until it is stopped; exit 2 for bad settings, 1 when it cannot start."""
    match sys.argv[1:]:
        case []:
            sys.exit(_run())
        case ["--version"]:
            sys.stdout.write(f"{varflow.__version__}\n")
        case ["--help" | "-h"]:
            sys.stdout.write(_USAGE + _settings())
        case _:
            sys.stderr.write(_USAGE + _settings())
            sys.exit(2)


def _run() -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        settings = SidecarSettings.decode(os.environ)
        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(process.run(settings))
    except InvalidInput as error:
        sys.stderr.write(f"varflow-sidecar: {error}\n")
        return 2
    except (StoreError, OSError) as error:
        sys.stderr.write(f"varflow-sidecar: {error}\n")
        return 1
    return 0


def _settings() -> str:
    return "".join(f"  {name}={value}\n" for name, value in SidecarSettings().encode().items())


if __name__ == "__main__":
    main()
