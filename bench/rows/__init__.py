"""One module per part of the product; each `measure_*` returns the rows that it can fill."""
