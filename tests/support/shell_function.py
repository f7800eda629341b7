"""A function that runs shell commands as somebody inside the function's container would.

Input: `{"commands": [...]}`; answer: what each printed, and how it ended. The commands see the
action as `$AID` and `$TEMP_DIR`, work in the temp dir, and spell the sidecar's address as in a
pod.
"""

from __future__ import annotations

import os
import subprocess

from varflow_client import Context, serve

POD_ADDRESS = "http://localhost:8889"


def run(context: Context) -> list[dict[str, object]]:
    """Run the commands one after the other."""
    return [run_one(context, command) for command in context.input["commands"]]


def run_one(context: Context, command: str) -> dict[str, object]:
    """Run one command."""
    done = subprocess.run(
        ["bash", "-c", command.replace(POD_ADDRESS, os.environ["VARFLOW_SIDECAR_URL"])],
        cwd=context.temp_dir,
        env={**os.environ, "AID": context.action_id, "TEMP_DIR": str(context.temp_dir)},
        capture_output=True,
        check=False,
    )
    return {
        "printed": done.stdout.decode(errors="replace"),
        "errors": done.stderr.decode(errors="replace"),
        "exit": done.returncode,
    }


if __name__ == "__main__":
    serve(run)
