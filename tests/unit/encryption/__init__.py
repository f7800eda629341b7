"""Encryption: keys, the form of sealed objects, the store that wraps others."""
