"""What the command line does in a cluster; loaded only by `-k` and `varflow instances`."""
