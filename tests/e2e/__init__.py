"""Tests of the whole product as its users meet it."""
