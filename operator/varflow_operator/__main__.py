"""The operator's process: settings and log, then `process.run` with everything an operator does."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from typing import Final

import varflow
from varflow.errors import InvalidInput, VarflowError
from varflow_operator import logs, settings
from varflow_operator.settings import OperatorSettings

_USAGE: Final = """\
usage: varflow-operator [--help] [--version]

Runs the workflows of a Kubernetes cluster: looks after Workflow, Variable and WorkflowInstance
objects, starts the pods of functions, and sends them their actions. Of several replicas one leads.

All settings are environment variables:
"""

_LAST_SECONDS: Final = 5.0
"""From the end of all work to that of the process."""

_logger = logging.getLogger(__name__)


def main() -> None:
    """Run the operator until it is stopped; exit 2 for bad settings, 1 when it cannot go on."""
    match sys.argv[1:]:
        case []:
            sys.exit(_run())
        case ["--version"]:
            sys.stdout.write(f"{varflow.__version__}\n")
        case ["--help" | "-h"]:
            sys.stdout.write(_USAGE + settings.describe())
        case _:
            sys.stderr.write(_USAGE + settings.describe())
            sys.exit(2)


def _run() -> int:
    try:
        given = OperatorSettings.decode(os.environ)
        logs.configure(level=given.log_level, style=given.log_format)
        _operate(given)
    except InvalidInput as error:
        sys.stderr.write(f"varflow-operator: {error}\n")
        return 2
    except (VarflowError, OSError) as error:
        sys.stderr.write(f"varflow-operator: {error}\n")
        return 1
    except Exception:
        _logger.exception("the operator ends after an error that it does not know")
        return 1
    return 0


def _operate(given: OperatorSettings) -> None:
    # a second of loading and 90 MiB, which neither --help nor a wrong setting has to wait for
    from varflow_operator import composition, process

    with asyncio.Runner() as runner:
        try:
            runner.run(process.run(given, composition.compose))
        finally:
            _end_within(_LAST_SECONDS)


def _end_within(seconds: float) -> None:
    """End the process by then: a library's task that cannot be cancelled must not keep it."""
    timer = threading.Timer(seconds, os._exit, [1])
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    main()
