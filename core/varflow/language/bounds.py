"""How much of everything a workflow may hold. PURE.

The loader and the schemas of the custom resources take their numbers from here, so that a file that
`varflow lint` accepts does not become too much for a cluster. They are far above what people write;
an API server needs them, since what its rules may cost is estimated from them.
"""

from __future__ import annotations

from typing import Final

# Texts, in characters

TEXT: Final = 64 * 1024
"""A text that may hold programs; a program alone may be as long (see `scanning`)."""
DESCRIPTION: Final = 4096
NAME: Final = 253
"""A name, as long as an object's in Kubernetes or a variable's key."""
ID: Final = 100
"""The id of a state or function."""
CODE: Final = 256
"""An error code, or a pattern for them."""
DURATION: Final = 100
IMAGE: Final = 1024
PATH: Final = 4096
LABEL: Final = 63
"""A label's value."""
QUANTITY: Final = 64
INLINE: Final = 1024 * 1024
"""The value of a declared variable: an object of an API server has no more room."""
CONTENT_TYPE: Final = 255
SOURCE: Final = 1024
"""Where an event comes from."""
CRON: Final = 256

# Lists and mappings

STATES: Final = 500
FUNCTIONS: Final = 200
ACTIONS: Final = 100
"""Actions of one parallel state."""
CATCHES: Final = 50
CONDITIONS: Final = 100
EVENTS: Final = 50
"""Events of one state or start."""
VARIABLES: Final = 200
"""Variables of one getter or setter."""
FILES: Final = 200
WORDS: Final = 500
"""Words of a command, or arguments of an error's message."""
CODES: Final = 50
SECRETS: Final = 50
ENVIRONMENT: Final = 200
ENTRIES: Final = 64
"""Labels, annotations, tolerations, resources and the like of a pod."""

# Numbers

ATTEMPTS: Final = 1_000_000
BRANCHES: Final = 100
"""Elements of a loop whose actions run at one time."""
PODS: Final = 1000
IDLE_SECONDS: Final = 365 * 86400
PENDING_SECONDS: Final = 86400
KUBERNETES_ID: Final = 2**31 - 1
"""Highest user or group."""
