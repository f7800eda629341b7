"""The tests of Varflow."""
