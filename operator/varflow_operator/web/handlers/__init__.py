"""What answers requests: parse, call one function, answer."""
