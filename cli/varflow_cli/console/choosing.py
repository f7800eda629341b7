"""Options that only make sense here, or only in a cluster: what to say of the others.

An option counts as given when it stands on the command line: `VARFLOW_STORE` may be set for
somebody who works in both places.
"""

from __future__ import annotations

from typing import Final

import click
from click.core import ParameterSource

from varflow_cli.console.failures import Mistake

_ONLY_HERE: Final = {
    "store": "the store of a cluster is chosen when Varflow is installed there",
    "accepts_unsafe_store": "the store of a cluster is accepted when Varflow is installed there, "
    "by store.acceptUnsafe",
    "secrets": "in a cluster they are keys of the Secret varflow-secrets: "
    "kubectl create secret generic varflow-secrets --from-literal=NAME=VALUE",
    "functions": "in a cluster functions run from their images",
}
"""Parameters that -k excludes, and what there is instead."""
_ONLY_IN_CLUSTER: Final = ("kubeconfig", "context", "system_namespace")


def check(context: click.Context, *, in_cluster: bool) -> None:
    """Check that the options given are about the place where the command works.

    Raises:
        Mistake: one is not.
    """
    for name, advice in _ONLY_HERE.items():
        if in_cluster and _is_given(context, name):
            raise Mistake(f"{_shown(context, name)} is not for -k: {advice}")
    for name in _ONLY_IN_CLUSTER:
        if not in_cluster and _is_given(context, name):
            raise Mistake(f"{_shown(context, name)} is about a cluster; add -k")


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _shown(context: click.Context, name: str) -> str:
    parameter = next(it for it in context.command.params if it.name == name)
    return parameter.opts[0]
