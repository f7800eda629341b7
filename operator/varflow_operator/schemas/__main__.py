"""`python -m varflow_operator.schemas FOLDER PAGE`: write the definitions and the page's tables."""

from __future__ import annotations

import sys
from pathlib import Path

from varflow_operator.schemas import files, pages


def main() -> None:
    """Write the files into the folder that is named, and the tables into the page."""
    folder, page = map(Path, sys.argv[1:])
    for name, text in files.make_files().items():
        (folder / name).write_text(text)
    page.write_text(pages.fill_in(page.read_text()))


if __name__ == "__main__":
    main()
