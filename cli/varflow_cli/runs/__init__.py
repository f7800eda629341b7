"""What a run is given and how it ends, here and in a cluster."""
