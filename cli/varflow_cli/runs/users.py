"""Who uses the command line, for workflows that keep the states of their users apart."""

from __future__ import annotations

import os
import pwd


def find_name() -> str:
    """Return the name of the user whom this process belongs to; empty when the system has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""
