"""Benchmarks: the numbers of design §9, each beside its raw floor of the same run.

`make bench` prints a table. Nothing here is a test: a shared machine is noisy, so a figure is
read by a person beside its floor, never asserted by a timer.
"""
