"""One module a command: its options, one call, and what is printed."""
