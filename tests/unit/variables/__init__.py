"""Unit tests of the variables package, over the memory driver."""
