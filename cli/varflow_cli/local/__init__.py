"""The local shell: one instance, its functions as plain processes, in one process group's care."""
