"""Programs of functions, each of which becomes an image with Python's standard library."""
