"""Narrow drivers over object storage; `base` says what they and their callers guarantee."""
