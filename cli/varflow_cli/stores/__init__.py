"""Commands about variables and the stores that they are in."""
