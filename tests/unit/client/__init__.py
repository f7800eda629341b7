"""The client that functions written in Python import."""
