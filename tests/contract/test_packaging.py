"""What users install: the wheel, resolved from the registry by plain pip, without our lock."""

import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PACKAGES = {"varflow", "varflow_cli", "varflow_client", "varflow_operator", "varflow_sidecar"}

IMPORT_ALL = """
import importlib, pkgutil, sys
for package in map(importlib.import_module, sys.argv[1:]):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
"""


@dataclass(frozen=True)
class Installation:
    """A virtual environment that holds Varflow and what pip took for it."""

    bin: Path

    def run(self, program: str, *arguments: str | Path) -> str:
        return run(self.bin / program, *arguments)

    def version(self, distribution: str) -> Version:
        program = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
        return Version(self.run("python", "-c", program, distribution).strip())


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )

    assert done.returncode == 0, done.stdout
    return done.stdout


def install(wheel: Path, folder: Path, *, extras: str) -> Installation:
    venv.create(folder, with_pip=True)
    installation = Installation(folder / "bin")
    installation.run("python", "-m", "pip", "install", "--no-compile", f"{wheel}[{extras}]")
    installation.run("python", "-m", "pip", "check")
    return installation


@pytest.fixture(scope="module")
def wheel(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
    run(*build, cwd=pytestconfig.rootpath)

    (built,) = folder.glob("*.whl")
    return built


def test_wheel_holds_the_five_typed_packages_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.partition("/")[0] for name in names}

    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    assert names >= {f"{package}/py.typed" for package in PACKAGES}


@pytest.mark.timeout(300)
def test_plain_install_of_everything_resolves_and_runs(wheel: Path, tmp_path: Path) -> None:
    installed = install(wheel, tmp_path / "venv", extras="operator,sidecar,cli,js")

    assert installed.version("boto3") >= Version("1.44")
    assert installed.version("kubernetes") >= Version("37.0.1")
    assert installed.version("kubernetes") != Version("37.0.2")
    assert "Usage" in installed.run("varflow", "--help")
    assert "usage" in installed.run("varflow-sidecar", "--help").lower()


@pytest.mark.timeout(300)
def test_cli_extra_alone_runs_workflows_locally_and_says_what_javascript_needs(
    wheel: Path, tmp_path: Path
) -> None:
    installed = install(wheel, tmp_path / "venv", extras="cli")

    installed.run("python", "-c", IMPORT_ALL, "varflow", "varflow_cli", "varflow_sidecar")
    installed.run("varflow", "run", "--help")
    flow = tmp_path / "flow.yaml"
    flow.write_text("states: [{id: a, type: noop, log: js(return 1)}]")
    linted = subprocess.run(
        [installed.bin / "varflow", "lint", flow], capture_output=True, check=False
    )
    assert linted.returncode != 0
    assert b"pip install 'varflow[js]'" in linted.stdout + linted.stderr


@pytest.mark.timeout(300)
def test_sidecar_extra_alone_starts_the_sidecar(wheel: Path, tmp_path: Path) -> None:
    installed = install(wheel, tmp_path / "venv", extras="sidecar")

    installed.run("python", "-c", IMPORT_ALL, "varflow_sidecar")
    installed.run("varflow-sidecar", "--help")


def declared(pyproject: Path) -> Iterator[Requirement]:
    project = tomllib.loads(pyproject.read_text())["project"]
    for requirements in (project["dependencies"], *project["optional-dependencies"].values()):
        yield from map(Requirement, requirements)


def test_dependency_has_the_same_bounds_in_every_extra(pytestconfig: pytest.Config) -> None:
    bounds: dict[str, set[str]] = {}
    for requirement in declared(pytestconfig.rootpath / "pyproject.toml"):
        bounds.setdefault(requirement.name, set()).add(str(requirement))

    assert [spellings for spellings in bounds.values() if len(spellings) > 1] == []


@pytest.mark.parametrize("name", ["runtime.lock", "dev.lock"])
def test_lock_fits_what_the_project_declares(pytestconfig: pytest.Config, name: str) -> None:
    root = pytestconfig.rootpath
    pins = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", (root / "requirements" / name).read_text()))
    unfit = [
        str(requirement)
        for requirement in declared(root / "pyproject.toml")
        if not requirement.specifier.contains(pins.get(canonicalize_name(requirement.name), "0"))
    ]

    assert unfit == [], "run `make lock`"
