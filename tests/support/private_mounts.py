"""Commands that may mount, in a namespace that ends with them: no mount is ever left behind."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
import tempfile


@functools.cache
def find_wrapper() -> tuple[str, ...] | None:
    """Return the words before a command that may then mount; None where nothing allows that.

    As root, or as root of a user namespace where the kernel lets everybody make those.
    """
    if not shutil.which("unshare"):
        return None
    for words in (("unshare", "-m"), ("unshare", "-rm")):
        probe = [*words, "mount", "-t", "tmpfs", "tmpfs", tempfile.gettempdir()]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return words
    return None


@functools.cache
def find_ordinary_user(wrapper: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the words, behind the wrapper's, that take a command's rights over others' files away.

    As nobody where Python can then be started, else as the same user without capabilities.
    """
    drop = "--bounding-set=-all", "--inh-caps=-all"
    for rights in (("--reuid=65534", "--regid=65534", "--clear-groups"), drop):
        words = ("setpriv", *rights)
        probe = [*wrapper, *words, sys.executable, "-c", "import varflow_cli.local.running"]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return words
    return None
