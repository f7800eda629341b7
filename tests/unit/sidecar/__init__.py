"""The sidecar's parts, without sockets."""
