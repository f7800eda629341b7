"""What the command line does with one instance: begin it, cancel it, wait for it, fetch its output.

An instance belongs to its workflow and goes with it. Which revision it runs is said when it begins:
the one that was accepted, whatever somebody else applies meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

from varflow.engine.messages import Json
from varflow.errors import ObjectNotFound
from varflow_cli.cluster import watching
from varflow_cli.cluster.connecting import Connection
from varflow_cli.cluster.views import InstanceView
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import INSTANCE, WORKFLOW, Object

_PREFIX_LENGTH = 57
"""The API server adds five characters to `generateName`; with a '-' they are a host name."""


def make(workflow: Object, *, input: Json, user: str = "") -> Object:
    """Return the manifest of an instance of a workflow, run for `user`. PURE."""
    metadata = workflow["metadata"]
    revision = (workflow.get("status") or {}).get("revision")
    return {
        "metadata": {
            "namespace": metadata["namespace"],
            "generateName": f"{metadata['name'][:_PREFIX_LENGTH].rstrip('-.')}-",
            "ownerReferences": [
                {
                    "apiVersion": WORKFLOW.api_version,
                    "kind": WORKFLOW.name,
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                }
            ],
        },
        "spec": {
            "workflow": metadata["name"],
            **({"revision": revision} if revision else {}),
            "input": input,
            "trigger": {"type": "cli", **({"user": user} if user else {})},
        },
    }


async def find(connection: Connection, name: str) -> InstanceView:
    """Return an instance.

    Raises:
        ObjectNotFound: there is none; says how to see those that are there.
    """
    try:
        return InstanceView.of(await connection.cluster.get(INSTANCE, connection.namespace, name))
    except ObjectNotFound as error:
        raise ObjectNotFound(
            f"there is no instance {name} in namespace {connection.namespace}; "
            "`varflow instances ls -A` lists those of all namespaces"
        ) from error


async def cancel(cluster: Cluster, namespace: str, name: str) -> None:
    """Ask an instance to end; `wait_for_end` tells when it has."""
    await cluster.patch(INSTANCE, namespace, name, {"spec": {"cancel": True}})


async def wait_for_end(
    cluster: Cluster, namespace: str, name: str, *, show: Callable[[InstanceView], None]
) -> InstanceView:
    """Return an instance that has ended; each version that is seen is shown.

    Raises:
        ObjectNotFound: it is not there, or not any more.
        ClusterError: as `watching.watch`.
    """

    def has_ended(instance: Object) -> bool:
        view = InstanceView.of(instance)
        show(view)
        return view.has_ended

    found = await watching.wait_until(cluster, INSTANCE, (namespace, name), has_ended)
    return InstanceView.of(found)
