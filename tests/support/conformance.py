"""Conformance cases: which of them this version can run, and what they expect.

The cases are data beside the checkout (`../shared/conformance`), taken from Direktiv's own tests
and documents. A case runs as a user would run it: `varflow run FILE --json`, and the variables that
it leaves are read by `varflow var get`. A case that is a script is for `scenarios`; one that is an
expression alone (`jx`) is evaluated by what evaluates all others.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from varflow.language import documents, expressions
from varflow.language.evaluating import Evaluator
from varflow.language.expressions import Dialect

FOLDER = Path(__file__).parents[3] / "shared" / "conformance"

UNSUPPORTED_STATES = {"consumeEvent", "eventsAnd", "eventsXor", "generateEvent"}
UNSUPPORTED_FEATURES = {
    "start:event",
    "start:eventsAnd",
    "start:eventsXor",
}

DECIDED_OTHERWISE = {
    "js-services-system-services.04": (
        "uses the scope `file`; design.md §1: a scope is instance, workflow or namespace"
    ),
}
"""Cases that a sentence of a seed or of design.md decides otherwise, with that sentence."""

PATTERNS = {
    "TIMESTAMP": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"),
    "UUID": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
}
"""What a value may only be like."""

NOT_FOUND = 3
"""Exit code of `varflow var get` for a variable that does not exist."""

STAND_INS = {
    "gcr.io/direktiv/functions/bash:1.0": "bash",
    "direktiv/bash:dev": "bash-text",
    "/bash.yaml": "bash",
    "gcr.io/direktiv/functions/echo:1.0": "echo",
    "direktiv/echo:dev": "echo",
    "direktiv/hello-world:dev": "hello-world",
    "direktiv/request:v4": "request",
    "gcr.io/direktiv/functions/http-request:1.0": "http-request",
    "jkizo/persistent-counter:v1": "counter",
    "alpine": "direktiv-cmd",
    "ubuntu:24.04": "direktiv-cmd",
}
"""Which stand-in plays which image or service."""


@dataclass(frozen=True, slots=True)
class Result:
    """What `varflow run` said."""

    exit_code: int
    answer: dict[str, Any]
    log: str

    @property
    def output(self) -> Any:
        """The instance's output."""
        return self.answer["output"]


def load_cases() -> list[dict[str, Any]]:
    """Return all cases, or none where the folder is absent."""
    path = FOLDER / "cases.public.json"
    return json.loads(path.read_text()) if path.exists() else []


def is_supported(case: dict[str, Any]) -> bool:
    """Tell by its feature tags whether this version should run the case."""
    features = set(case["features"])
    unsupported = UNSUPPORTED_FEATURES | {f"state:{kind}" for kind in UNSUPPORTED_STATES}
    return not features & unsupported


def verbs(case: dict[str, Any]) -> set[str]:
    """Return what the script of a case does."""
    return {action["do"] for step in case.get("steps") or () for action in step["script"]}


def groups(cases: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the cases by group, in the order of their steps: a group shares one namespace."""
    result: dict[str, list[dict[str, Any]]] = {}
    for case in sorted(cases, key=lambda case: case["step"]):
        result.setdefault(case["group"], []).append(case)
    return result


class Session:
    """One fresh store, in which the cases of one group run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = f"file://{folder / 'store'}"

    def run(self, case: dict[str, Any]) -> Result:
        """Run the case's workflow and return what came out."""
        command = [*_varflow("run"), *self._files(case), *self._options(), "--json", "--input", "-"]
        for name, value in (case.get("secrets_before") or {}).items():
            command += ["--secret", f"{name}={base64.b64decode(value).decode()}"]
        for image, kind in STAND_INS.items():
            command += ["--function", f"{image}={sys.executable} {_stand_in()} {kind}"]
        done = subprocess.run(
            command,
            input=(case.get("input_raw") or "").encode(),
            capture_output=True,
            timeout=110,
            check=False,
        )
        log = done.stderr.decode()
        assert done.stdout.count(b"\n") == 1, f"not one line of JSON: {done.stdout!r}\n{log}"
        return Result(done.returncode, json.loads(done.stdout), log)

    def find_variable(self, scope: str, workflow: str | None, key: str) -> bytes | None:
        """Return a variable's bytes, or None when it does not exist."""
        owner = ["--workflow", workflow] if workflow else []
        command = [*_varflow("var"), "get", key, "--scope", scope, *owner, *self._options()]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        assert done.returncode in {0, NOT_FOUND}, done.stderr.decode()
        return done.stdout if done.returncode == 0 else None

    def _files(self, case: dict[str, Any]) -> list[str]:
        """Return the case's workflow and those that it calls, each in a file of its own name."""
        files = {case["workflow_path"]: case["workflow_file"]}
        for other in case.get("aux_files") or ():
            if other["type"] == "workflow":
                files[other["path"]] = other["file"]
        return [str(self._copy(case, Path(path), file)) for path, file in files.items()]

    def _copy(self, case: dict[str, Any], path: Path, file: str) -> Path:
        target: Path = self._folder / str(case["id"]) / f"{path.stem}.yaml"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((FOLDER / file).read_bytes())
        return target

    def _options(self) -> list[str]:
        return ["--store", self._store, "--namespace", "conformance"]


def check(case: dict[str, Any], result: Result) -> None:
    """Assert that the result is what the case expects."""
    assert result.answer["status"] == case["expected_status"], result
    assert result.exit_code == (0 if case["expected_status"] == "complete" else 1)
    if case.get("expected_output") is not None:
        assert matches(case["expected_output"], result.output, case["output_match"]), result
    for claim in case.get("output_asserts") or ():
        check_claim(claim, result.output)
    _check_error(case, result)
    for line in case.get("expected_logs") or ():
        wanted = line["$contains"] if isinstance(line, dict) else line
        assert wanted in _plain(result.log), (wanted, result.log)
    for earlier, later in zip(flow := case.get("expected_flow") or (), flow[1:], strict=False):
        assert result.log.index(earlier) <= result.log.rindex(later), result.log


def _check_error(case: dict[str, Any], result: Result) -> None:
    error = result.answer["error"]
    if case.get("expected_error_code"):
        assert error["code"] == case["expected_error_code"], result
    if case.get("expected_error_message"):
        assert error["message"] == case["expected_error_message"], result


def _plain(log: str) -> str:
    """Return the log without each line's prefix, so that a text of several lines is found."""
    return log + "\n" + "\n".join(re.sub(r"^.*?│ ?", "", line) for line in log.splitlines())


def check_claim(claim: dict[str, Any], output: Any) -> None:
    """Assert one `output_asserts` entry."""
    value = output
    for name in re.findall(r"[^.\[\]]+", claim["path"]):
        value = value[int(name)] if isinstance(value, list) else value[name]
    mode = {"equals": "exact", "subset": "subset"}[claim["op"]]
    assert matches(claim["value"], value, mode), (claim, value)


async def evaluate(case: dict[str, Any]) -> Any:
    """Return the value of an expression over the case's input.

    Raises:
        ExpressionError: a program fails.
        InvalidTemplateError: a program has no end.
    """
    (document,) = documents.parse(case["jx"].encode())
    template = expressions.parse(document.value, Dialect.WRAPPED)
    async with Evaluator(workers=1) as evaluator:
        return await evaluator.evaluate(template, case["input"])


def matches(expected: Any, actual: Any, mode: str) -> bool:
    """Compare as the cases' format says: exactly, or objects as subsets."""
    if isinstance(expected, dict) and "$match" in expected:
        return bool(PATTERNS[expected["$match"]].fullmatch(actual))
    if isinstance(expected, dict) and isinstance(actual, dict):
        if mode == "exact" and expected.keys() != actual.keys():
            return False
        return all(key in actual and matches(expected[key], actual[key], mode) for key in expected)
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(
            matches(left, right, mode) for left, right in zip(expected, actual, strict=True)
        )
    return bool(expected == actual)


def check_variables(case: dict[str, Any], session: Session) -> None:
    """Assert that the variables after the run are those that the case lists."""
    after = case.get("variables_after") or {}
    for key, value in (after.get("namespace") or {}).items():
        _check_variable(value, session.find_variable("namespace", None, key))
    for path, variables in (after.get("workflow") or {}).items():
        for key, value in variables.items():
            found = session.find_variable("workflow", Path(path).stem, key)
            _check_variable(value, found)


def _check_variable(expected: Any, found: bytes | None) -> None:
    if expected is None:
        assert found is None
    elif isinstance(expected, dict) and "$base64" in expected:
        assert found == base64.b64decode(expected["$base64"])
    else:
        assert found is not None
        assert json.loads(found) == expected


def _varflow(command: str) -> list[str]:
    return [sys.executable, "-m", "varflow_cli", command]


def _stand_in() -> Path:
    return Path(__file__).with_name("stand_in.py")
