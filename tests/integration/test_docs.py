"""The documentation is right: workflows load, commands print what it shows, links lead on."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import console, markdown
from tests.support.console import Step
from tests.support.markdown import Block
from varflow.errors import VarflowError
from varflow.language import loading
from varflow.language.codes import Code

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ALL_PAGES = [*PAGES, *sorted((ROOT / "examples").rglob("*.md"))]
BLOCKS = [block for page in PAGES for block in markdown.read_blocks(page)]

IN_FUNCTION = "in-function"
"""Mark of a session that is typed inside a function's container."""

INVALID = "invalid"
"""Mark of a workflow that shows what is wrong with it."""


def is_workflow(block: Block) -> bool:
    if block.language != "yaml" or INVALID in block.marks:
        return False
    document = yaml.safe_load(block.text)
    return isinstance(document, dict) and (
        "states" in document or document.get("kind") in {"Workflow", "Variable"}
    )


WORKFLOWS = [block for block in BLOCKS if is_workflow(block)]
PAGES_WITH_CALLS = sorted({block.file for block in BLOCKS if IN_FUNCTION in block.marks})
PROGRAMS = [block for block in BLOCKS if block.language == "python"]
LANGUAGE = ROOT / "docs" / "language.md"
"""It has too many sessions for one test; those of each section stand alone."""
SECTIONS = list(
    dict.fromkeys(it.section for it in markdown.read_blocks(LANGUAGE) if it.language == "console")
)


def name_of(value: Block | Path) -> str:
    return str(value) if isinstance(value, Block) else str(value.relative_to(ROOT))


def run_varflow(*words: str | Path, folder: Path, store: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["varflow", *words],
        cwd=folder,
        env=console.environment(store),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.parametrize("block", WORKFLOWS, ids=name_of)
def test_workflows_in_the_documentation_pass_lint(block: Block) -> None:
    definitions = loading.load_text(block.text, source=str(block))

    assert len(definitions.workflows) == 1


@pytest.mark.parametrize("block", PROGRAMS, ids=name_of)
def test_programs_in_the_documentation_compile(block: Block) -> None:
    compile(block.text, str(block), "exec")


def is_session(block: Block) -> bool:
    return block.language == "console" and IN_FUNCTION not in block.marks


@pytest.mark.parametrize("page", [page for page in PAGES if page != LANGUAGE], ids=name_of)
def test_commands_print_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    environ = console.environment(tmp_path / "store")
    for block in markdown.read_blocks(page):
        save(block, folder=tmp_path)
        if is_session(block):
            console.run(block.text, folder=tmp_path, environ=environ)


@pytest.mark.parametrize("section", SECTIONS)
def test_examples_of_the_language_print_what_the_page_shows(section: str, tmp_path: Path) -> None:
    environ = console.environment(tmp_path / "store")
    blocks = [*markdown.read_blocks(LANGUAGE)]
    for block in blocks:
        save(block, folder=tmp_path)
    for block in blocks:
        if is_session(block) and block.section == section:
            console.run(block.text, folder=tmp_path, environ=environ)


def save(block: Block, *, folder: Path) -> None:
    for mark in block.marks:
        kind, _, name = mark.partition("=")
        if kind == "save":
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(block.text)


@pytest.mark.parametrize("page", PAGES_WITH_CALLS, ids=name_of)
def test_calls_of_a_function_print_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    blocks = [block for block in markdown.read_blocks(page) if IN_FUNCTION in block.marks]
    steps = [step for block in blocks for step in console.parse(block.text)]

    for step, done in zip(steps, run_in_function(steps, folder=tmp_path), strict=True):
        assert done["exit"] == 0, (step, done)
        console.check(step, done["printed"])


def run_in_function(steps: list[Step], *, folder: Path) -> list[dict[str, Any]]:
    """Run the commands in one action of a real run."""
    program = Path(__file__).parents[1] / "support" / "shell_function.py"
    (folder / "shell.yaml").write_text(
        json.dumps(
            {
                "direktiv_api": "workflow/v1",
                "functions": [
                    {
                        "id": "shell",
                        "image": "shell",
                        "local": {"command": [sys.executable, str(program)]},
                    }
                ],
                "states": [{"id": "run", "type": "action", "action": {"function": "shell"}}],
            }
        )
    )
    (folder / "input.json").write_text(json.dumps({"commands": [step.command for step in steps]}))
    done = run_varflow(
        "run", "shell.yaml", "--input", "@input.json", "--json", folder=folder, store=folder / "s"
    )
    answer = json.loads(done.stdout)
    assert answer["status"] == "complete", (answer, done.stderr)
    result: list[dict[str, Any]] = answer["output"]["return"]
    return result


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    broken = [
        f"{target}#{anchor}"
        for target, anchor in markdown.read_links(page)
        if not leads_somewhere(page, target, anchor)
    ]

    assert broken == []


def leads_somewhere(page: Path, target: str, anchor: str) -> bool:
    file = page.parent / target if target else page
    if not anchor:
        return file.exists()
    return file.is_file() and anchor in markdown.read_anchors(file)


def subclasses(kind: type[VarflowError]) -> set[type[VarflowError]]:
    return {kind}.union(*(subclasses(child) for child in kind.__subclasses__()))


def test_errors_page_lists_every_code_with_its_status() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    ours = {kind for kind in subclasses(VarflowError) if kind.__module__ == "varflow.errors"}

    def is_listed(kind: type[VarflowError]) -> bool:
        is_workflow_code = kind.code.startswith("direktiv.")
        return f"| `{kind.code}` | " + ("" if is_workflow_code else f"{kind.status} |") in page

    missing = [kind for kind in ours if not is_listed(kind)]

    assert missing == []


def test_errors_page_lists_every_code_of_files() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()

    assert [code for code in Code if f"| `{code}` | " not in page] == []


def test_cli_page_names_every_option() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    commands = [
        "run",
        "lint",
        "instances ls",
        "instances get",
        "instances watch",
        "instances cancel",
        "instances logs",
        "var ls",
        "var get",
        "var set",
        "var cp",
        "var export",
        "var import",
        "var rm",
        "store probe",
        "store check",
        "keys ls",
        "keys add",
        "keys use",
        "workflow rm",
        "namespace rm",
    ]

    missing = {
        f"{command} {option}"
        for command in commands
        for option in read_options(command)
        if not re.search(rf"{option}(?![\w-])", page)
    }

    assert missing == set()


def read_options(command: str) -> set[str]:
    done = run_varflow(*shlex.split(command), "--help", folder=ROOT, store=ROOT / "unused")
    words = done.stdout.replace(",", " ").replace("=", " ").split()
    return {word for word in words if word.startswith("--") and word.strip("-")} - {"--help"}
