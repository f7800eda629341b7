"""Variables in and out of archives."""
