"""Paths and the names of their files (stores/filenames.py)."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given

from tests.support import stores
from varflow.variables.stores import filenames
from varflow.variables.stores.filenames import Kind


def parsed(file: str) -> str:
    """The path of an object's file, put together from what each level of it stands for."""
    path = ""
    for name in file.split("/"):
        found = filenames.find_entry(name)
        assert found, name
        kind, text = found
        path += text if kind is not Kind.FOLDER else text + "/"
    return path


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("v1/local/default/n/counter", "v1/local/default/n/counter="),
        ("varflow.json", "varflow.json="),
        ("n/myFiles", "n/my^files="),
        ("n/README.md", "n/^r^e^a^d^m^e.md="),
        ("n/caf\u00e9", "n/caf%c3%a9="),
        ("n/cafe\u0301", "n/cafe%cc%81="),
        ("n/100 %", "n/100%20%25="),
        ("n/a=+^~", "n/a%3d%2b%5e%7e="),
        (".hidden/.x", "%2ehidden/%2ex="),
        ("...", "%2e.%2e="),
        ("a./b.", "a%2e/b%2e="),
        ("con/nul.txt/com1", "%63on/%6eul.txt/%63om1="),
        ("CON/console", "^c^o^n/console="),
        ("k" * 200, "k" * 200 + "="),
        ("k" * 201, "k" * 200 + "+/k="),
        ("k" * 201 + "/x", "k" * 200 + "+/k/x="),
        ("k" * 199 + "\u00e9", "k" * 199 + "+/%c3%a9="),
        ("k" * 200 + ".x", "k" * 200 + "+/%2ex="),
        ("k" * 200 + "con", "k" * 200 + "+/%63on="),
    ],
)
def test_a_path_has_a_readable_file(path: str, file: str) -> None:
    assert filenames.object_file(path) == file
    assert parsed(file) == path


@given(stores.paths())
@example("k" * 200 + "." * 53)
@example("." * 253)
def test_every_file_leads_back_to_its_path(path: str) -> None:
    assert parsed(filenames.object_file(path)) == path


@given(stores.paths(), stores.paths())
def test_two_paths_have_two_files_on_every_file_system(one: str, other: str) -> None:
    def as_a_crude_file_system_sees_it(file: str) -> str:
        return unicodedata.normalize("NFKC", file).casefold()

    files = {as_a_crude_file_system_sees_it(filenames.object_file(path)) for path in (one, other)}
    assert len(files) == len({one, other})


@given(stores.paths())
def test_every_level_is_a_name_that_every_file_system_holds(path: str) -> None:
    for name in filenames.object_file(path).split("/"):
        assert re.fullmatch(r"[a-z0-9_^%-](?:[a-z0-9._^%-]*[a-z0-9_^%-])?[=+]?", name), name
        assert len(name) <= 210
        assert not re.match(r"(con|prn|aux|nul|com\d|lpt\d)($|[.=+])", name.rstrip("=+"))


@given(stores.paths(), stores.paths())
def test_no_object_is_where_another_needs_a_folder(one: str, other: str) -> None:
    file = filenames.object_file(one)
    assert not filenames.object_file(other).startswith(file + "/")
    assert file != filenames.folder(other)


@pytest.mark.parametrize(
    "name",
    [
        *("", "=", "+", ".tmp", ".locks", ".a=", "A=", "a b=", "caf\u00e9=", "%", "%4=", "%FF="),
        *("^A=", "^=", "^1=", "%ff=", "a=b", "a~", "a=="),
    ],
)
def test_a_name_that_the_mapping_never_gives_is_not_ours(name: str) -> None:
    assert filenames.find_entry(name) is None


@pytest.mark.parametrize("path", ["", "/", "a//b", "/a", "a/"])
def test_an_empty_segment_is_a_defect_of_the_caller(path: str) -> None:
    with pytest.raises(ValueError, match="empty segment"):
        filenames.object_file(path)
