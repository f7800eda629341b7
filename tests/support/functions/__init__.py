"""Function programs that tests start, written with the standard library only.

`python -m tests.support.functions.NAME` listens on `$PORT`.
"""
