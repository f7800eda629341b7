"""The sidecar's HTTP side: three applications, their handlers, and how they are served."""
