"""Never listens."""

from __future__ import annotations

import threading

from tests.support.functions.answering import say

say("thinking")
threading.Event().wait()
