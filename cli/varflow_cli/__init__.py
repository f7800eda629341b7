"""The `varflow` command.

It runs workflows without a cluster, checks them, and shows and edits variables and instances.
"""
