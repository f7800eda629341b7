"""What becomes of an instance's input (direktiv-contract.md §4). PURE.

A JSON object is the instance's first data as it is; anything else goes under `input`: other JSON
values as they are, bytes that are not JSON as base64, nothing at all as "".
"""

from __future__ import annotations

import orjson

from varflow.contract import output_value
from varflow.engine.messages import Json
from varflow.language.workflow import Workflow


def parse_input(body: bytes) -> Json:
    """Return a request's body as the value for `Started.input`."""
    return output_value(body)


def is_json(body: bytes) -> bool:
    """Tell whether a request's body is JSON, and so not given as base64."""
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True


def normalise(value: Json) -> dict[str, Json]:
    """Return the instance's first data."""
    return value if isinstance(value, dict) else {"input": value}


def find_errors(workflow: Workflow, data: Json) -> list[str]:
    """Return what the workflow's schema has against an instance's first data, all of it."""
    return [] if workflow.input is None else workflow.input.schema_.find_errors(data)
