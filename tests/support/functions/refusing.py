"""Ends before it listens, and says why."""

from __future__ import annotations

import sys

sys.exit("no configuration found")
