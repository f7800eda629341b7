"""What goes into the images, as far as it is seen without building them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PARTS = ("operator", "sidecar")


@pytest.fixture
def root(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.rootpath


def pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", lock.read_text()))


def needed(root: Path, part: str) -> Iterator[str]:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    for requirement in (*project["dependencies"], *project["optional-dependencies"][part]):
        yield canonicalize_name(Requirement(requirement).name)


@pytest.mark.parametrize("part", PARTS)
def test_lock_of_an_image_is_a_part_of_the_whole_one(root: Path, part: str) -> None:
    whole = pins(root / "requirements/runtime.lock")
    own = pins(root / f"requirements/{part}.lock")

    assert own.items() <= whole.items(), "run `make lock`"
    assert set(needed(root, part)) <= own.keys(), "run `make lock`"


def test_images_are_built_by_what_the_project_is_built_with(root: Path) -> None:
    whole = pins(root / "requirements/dev.lock")

    assert pins(root / "requirements/build.lock").items() <= whole.items(), "run `make lock`"


def test_sidecar_image_holds_nothing_heavy(root: Path) -> None:
    own = pins(root / "requirements/sidecar.lock").keys()

    assert own.isdisjoint({"jq", "kopf", "kubernetes", "pydantic", "pyyaml", "rich", "click"})


@pytest.mark.parametrize("part", PARTS)
def test_final_stage_only_copies_and_runs_as_nobody(root: Path, part: str) -> None:
    text = (root / f"Dockerfile.{part}").read_text()
    final = text[text.rindex("\nFROM ") :]

    assert "pip " not in final
    assert 'USER 65532:65532\nENTRYPOINT ["varflow-' + part in final
    assert "COPY --from=build" in final


def test_both_images_are_made_the_same_way(root: Path) -> None:
    def steps(part: str) -> list[str]:
        """Return the lines but for comments, with what is to differ taken out."""
        text = (root / f"Dockerfile.{part}").read_text()
        for own in (f"varflow-{part}", f"requirements/{part}.lock"):
            text = text.replace(own, "OWN")
        lines = (line for line in text.splitlines() if not line.startswith("#"))
        return [re.sub(r"-x '/kubernetes\S+ ", "", line) for line in lines]

    differing = [pair for pair in zip(*map(steps, PARTS), strict=True) if len(set(pair)) > 1]
    assert [line.split("=")[0].strip() for line, _ in differing] == [
        "org.opencontainers.image.description"
    ]


def test_build_context_has_what_the_images_copy(root: Path) -> None:
    kept = re.findall(r"(?m)^!(\S+)", (root / ".dockerignore").read_text())
    for part in PARTS:
        text = (root / f"Dockerfile.{part}").read_text()
        copied = [
            name for line in re.findall(r"(?m)^COPY (?!--)(.+) \S+$", text) for name in line.split()
        ]

        assert copied
        assert [name for name in copied if not any(Path(name).match(it) for it in kept)] == []
