"""An action's temp dir: made, filled from variables, packed into variables, removed."""
