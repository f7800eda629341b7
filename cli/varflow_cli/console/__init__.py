"""What all commands have: options, output, failures."""
