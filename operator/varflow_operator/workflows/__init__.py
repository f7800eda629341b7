"""Workflow objects: read, checked, and turned into what runs them."""
