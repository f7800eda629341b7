"""The repository's own shape: source roots, what each part loads, and what is never committed."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE_ROOTS = ("core", "operator", "sidecar", "cli")

IMPURE = {"asyncio", "os", "random", "socket", "subprocess", "threading", "time"}
"""What a module marked PURE does not import; the most important ones also have a contract."""

REGISTRY = re.compile(r"pypi\.org|pythonhosted\.org|https?://\S+/simple\b")
"""Where packages were downloaded from is a matter of each machine, not of the repository."""

MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:root|work|Users/\w+|home/(?!nonroot\b)\w+)/")
"""A path that exists on its author's machine only."""

LOCK_LINE = re.compile(
    r"[a-z0-9-]+==[\w.+!]+( ; .+)? \\"
    r"|    --hash=sha256:[0-9a-f]{64}( \\)?"
    r"|\s*#.*"
)


@pytest.fixture
def root(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.rootpath


def python(*arguments: str | Path, cwd: Path) -> str:
    """Run another interpreter, without PYTHONSAFEPATH and the like, and return what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env={}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("source_root", SOURCE_ROOTS)
def test_source_root_is_no_package(root: Path, source_root: str) -> None:
    stray = root / source_root / "__init__.py"

    assert not stray.exists(), (
        f"{stray} makes a package of a source root. A package named `operator` in the repository "
        "root shadows the standard library's, and every Python started there breaks. Remove it."
    )


def test_python_starts_from_the_repository_root(root: Path) -> None:
    program = "import collections, operator; print(operator.add(1, 2))"

    assert python("-c", program, cwd=root).strip() == "3"


def test_sidecar_loads_nothing_heavy(root: Path) -> None:
    program = "import sys, varflow_sidecar.__main__; print(*sys.modules, sep='\\n')"
    loaded = set(python("-c", program, cwd=root).split())

    assert loaded.isdisjoint({"boto3", "botocore", "kopf", "kubernetes", "pydantic"})


def test_client_needs_only_the_standard_library(root: Path) -> None:
    program = (
        "import importlib, pkgutil, sys; sys.path.append(sys.argv[1]); import varflow_client;"
        "found = pkgutil.walk_packages(varflow_client.__path__, 'varflow_client.');"
        "[importlib.import_module(module.name) for module in found]"
    )

    python("-I", "-S", "-c", program, root / "sidecar", cwd=root)


def test_module_marked_pure_imports_no_clock_and_no_system(root: Path) -> None:
    files = [file for source in SOURCE_ROOTS for file in (root / source).rglob("*.py")]
    trees = {file: ast.parse(file.read_text()) for file in files}
    pure = {file: tree for file, tree in trees.items() if is_marked_pure(tree)}

    assert {
        str(file): found for file, tree in pure.items() if (found := imported(tree) & IMPURE)
    } == {}


def is_marked_pure(tree: ast.Module) -> bool:
    return "PURE." in (ast.get_docstring(tree) or "").partition("\n")[0]


def imported(tree: ast.Module) -> set[str]:
    """Return the top-level names of the modules that a module imports itself."""
    names = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(str(node.module).partition(".")[0])
    return names


@pytest.mark.parametrize(
    "name", ["runtime.lock", "dev.lock", "operator.lock", "sidecar.lock", "build.lock"]
)
def test_lock_holds_pins_and_hashes_only(root: Path, name: str) -> None:
    lines = (root / "requirements" / name).read_text().splitlines()

    assert [line for line in lines if not LOCK_LINE.fullmatch(line)] == []
    assert [line for line in lines if re.search(r"://|(^|\s)/", line)] == []


def test_no_file_names_a_registry_or_a_machine(root: Path) -> None:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout")

    files = [root / name for name in listing.stdout.split("\0") if name]
    found = [place for file in files if file.is_file() for place in find_traces(file)]

    assert found == []


def find_traces(file: Path) -> list[str]:
    lines = file.read_text(errors="replace").splitlines()
    return [
        f"{file}:{number}: {match.group()}"
        for number, line in enumerate(lines, start=1)
        if (match := REGISTRY.search(line) or MACHINE_PATH.search(line))
    ]
