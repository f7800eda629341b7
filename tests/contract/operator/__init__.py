"""The operator as those meet it who call it."""
