"""The function contract (design.md §5), over real sockets against the running sidecar."""
