"""Listens on the port that it is told as an argument, whatever `$PORT` says."""

from __future__ import annotations

import sys

from tests.support.functions.answering import serve

serve(lambda _request, _body: b'"fixed"', port=int(sys.argv[1]))
