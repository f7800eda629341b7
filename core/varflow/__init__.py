"""What both wings of Varflow stand on: the workflow language, the engine, variables and stores.

It knows neither Kubernetes nor HTTP servers: the operator, the sidecar and the CLI bring those.
"""

__version__ = "0.1.0"
