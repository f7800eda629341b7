"""Every example does what its README shows, and the demo what it promises."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import console, markdown, private_network

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted({path.parent.name for path in EXAMPLES.glob("*/*.yaml")})

FIXED_PORTS = (8080, 8889)
"""What functions written for Direktiv know."""

TAKE_PORT = """
import socket, subprocess, sys
with socket.socket() as taken:
    taken.bind(("127.0.0.1", 8080))
    sys.exit(subprocess.call(sys.argv[1:]))
"""


@pytest.mark.parametrize("name", [name for name in NAMES if name != "iv"])
def test_example_prints_what_its_readme_shows(name: str, tmp_path: Path) -> None:
    """That of `watch` is ST-10."""
    run_readme(EXAMPLES / name, store=tmp_path / "store")


def test_example_with_fixed_ports_prints_what_its_readme_shows(tmp_path: Path) -> None:
    wrapper = private_network.wrapper_for(FIXED_PORTS)

    run_readme(EXAMPLES / "iv", store=tmp_path / "store", wrapper=wrapper)


def test_every_example_is_in_the_list() -> None:
    listed = (EXAMPLES / "README.md").read_text()

    assert [name for name in NAMES if f"]({name}/)" not in listed] == []


def test_second_demo_counts_on(tmp_path: Path) -> None:
    wrapper = private_network.wrapper_for(FIXED_PORTS)
    demo = copy_of_demo(tmp_path)

    first = run_demo([*wrapper, str(demo)])
    second = run_demo([*wrapper, str(demo)])

    assert first.returncode == 0, first.stdout + first.stderr
    assert second.returncode == 0, second.stdout + second.stderr
    assert first.stdout.count("x was 0 and is 1") == 2
    assert second.stdout.count("x was 3 and is 4") == 2
    assert "found file-1, file-2, file-3" in second.stdout


def test_demo_says_which_port_is_taken(tmp_path: Path) -> None:
    wrapper = private_network.wrapper_for(FIXED_PORTS)

    done = run_demo([*wrapper, "python3", "-c", TAKE_PORT, str(copy_of_demo(tmp_path))])

    assert done.returncode == 1
    assert "port 8080 of 127.0.0.1 is not free" in done.stderr


def run_readme(folder: Path, *, store: Path, wrapper: tuple[str, ...] = ()) -> None:
    environ = console.environment(store)
    sessions = [
        block for block in markdown.read_blocks(folder / "README.md") if block.language == "console"
    ]
    assert sessions, "an example shows how it is run"
    for block in sessions:
        console.run(block.text, folder=folder, environ=environ, wrapper=wrapper)


def copy_of_demo(folder: Path) -> Path:
    """Copy the examples, since the demo keeps its store beside them."""
    return Path(shutil.copytree(EXAMPLES, folder / "examples")) / "demo.sh"


def run_demo(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=console.environment(Path("unused")),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
