"""Variable objects: values that are declared in the cluster, put into the store."""
