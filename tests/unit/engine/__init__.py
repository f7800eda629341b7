"""The engine, driven event by event without a shell."""
