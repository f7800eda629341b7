"""The renewal: what a store's objects are sealed with, and sealing them with the present key."""
