"""The pods of functions: which there are, who may use which, how many there should be."""
