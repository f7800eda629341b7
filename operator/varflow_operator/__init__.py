"""The control plane: turns workflows and their instances into function pods and actions."""
