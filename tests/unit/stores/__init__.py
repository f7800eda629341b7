"""Tests of one module or package at a time: no network, no waiting, milliseconds each."""
