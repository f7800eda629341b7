"""What a Python function imports to talk to its sidecar; standard library only, to fit any image.

    from varflow_client import Context, serve

    def count(context: Context) -> int:
        return context.variables.update("count", lambda n: n + 1, scope="workflow", default=0)

    serve(count)

`serve` answers the sidecar on port 8080. `get`, `set`, `create`, `update`, `copy`, `delete`,
`list`, `find`, `download`, `get_state`, `find_state`, `set_state`, `delete_state` and `log` of this
module work for the action that the calling thread runs, as those of `context.variables` do in any
thread. Errors are exceptions (see `errors`); a handler that
raises `FunctionError(code, message)` fails its action with a code that the workflow can catch.

HTTP is loaded when it is used, so that importing this costs little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from varflow_client.context import Context, CurrentVariables, current
from varflow_client.errors import (
    FunctionError,
    InvalidConversion,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    SidecarError,
    SidecarUnreachable,
    StoreUnavailable,
    TooLarge,
    UnknownAction,
    VariableExists,
)
from varflow_client.values import KEEP, Scope, Variable, VariableInfo
from varflow_client.variables import Variables

if TYPE_CHECKING:
    from varflow_client.serving import Handler

__all__ = [
    "KEEP",
    "Context",
    "FunctionError",
    "InvalidConversion",
    "InvalidInput",
    "NotFound",
    "PreconditionFailed",
    "Scope",
    "SidecarError",
    "SidecarUnreachable",
    "StoreUnavailable",
    "TooLarge",
    "UnknownAction",
    "Variable",
    "VariableExists",
    "VariableInfo",
    "Variables",
    "copy",
    "create",
    "current",
    "delete",
    "delete_state",
    "download",
    "find",
    "find_state",
    "get",
    "get_state",
    "list",
    "log",
    "serve",
    "set",
    "set_state",
    "update",
]

_variables: Final = CurrentVariables()

get = _variables.get
find = _variables.find
download = _variables.download
set = _variables.set
create = _variables.create
update = _variables.update
copy = _variables.copy
delete = _variables.delete
list = _variables.list
log = _variables.log
get_state = _variables.get_state
find_state = _variables.find_state
set_state = _variables.set_state
delete_state = _variables.delete_state


def serve(handler: Handler, *, port: int | None = None, host: str = "127.0.0.1") -> None:
    """Answer the sidecar until SIGTERM or SIGINT; see `varflow_client.serving.serve`."""
    from varflow_client import serving

    serving.serve(handler, port=port, host=host)
