"""Removes from the store what belongs to nobody any more."""
