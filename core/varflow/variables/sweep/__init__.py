"""The sweep: what is wrong in a store, or nobody's any more, and what is done about it."""
