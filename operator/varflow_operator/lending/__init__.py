"""Credentials of the store that are good for one namespace, and end: minted, kept, renewed."""
