"""The renewal: what is decided, counted and written again, and what comes in between."""
