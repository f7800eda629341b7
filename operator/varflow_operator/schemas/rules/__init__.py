"""What one object can show that a schema cannot say: rules in CEL, as a table. PURE.

The operator's loader checks all of it again, and says the line; here the API server refuses what is
wrong before anybody has it. Three things shape the expressions:

- The API server limits what rules may cost (see `targets`).
- CEL does not see fields that take any JSON value (`transform`, `value`, ...). What must be said of
  them is said by `anyOf` and `oneOf` in the schema (see `forms` and `definitions`).
- A nullable field may be there and null, which has no type in CEL: `given` asks for both.
"""

from __future__ import annotations

from typing import Final

from varflow_operator.schemas.rules import functions, objects, starts, states, targets
from varflow_operator.schemas.rules.words import Rule

__all__ = ["LIST_KEYS", "RULES", "Rule"]

RULES: Final[tuple[Rule, ...]] = (
    *targets.TARGETS,
    *functions.FUNCTIONS,
    *states.STATES,
    *starts.STARTS,
    *objects.VARIABLES,
    *objects.INSTANCES,
)
"""All rules; one more is one more entry."""

LIST_KEYS: Final = {
    "Workflow": {
        "spec.states": "id",
        "spec.functions": "id",
        "spec.functions[].env": "name",
        "spec.functions[].envs": "name",
        "status.functions": "id",
        "status.conditions": "type",
    },
    "Variable": {"status.conditions": "type"},
    "WorkflowInstance": {"status.conditions": "type"},
}
"""Lists whose entries have a name: the API server refuses two of one name, and merges by it. The
order of states counts, but so does that of a pod's initContainers, which is such a list."""
