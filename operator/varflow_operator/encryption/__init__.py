"""The keys of the namespaces: found, made once, and looked at again."""
