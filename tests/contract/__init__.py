"""Tests that hold for every implementation of something, and for the repository itself."""
