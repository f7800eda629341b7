"""How variables change: one by itself, or several together, once, or not at all.

contents                   what a writer brings: small values in memory, others in a new body
writing, heads             one variable, by compare-and-swap
decisions, pendings        what a commit leaves in the store, and what it means to others
claims, attempts, commits  many variables at one moment
preconditions, revisions   what a write depends on, and what it puts aside
"""
