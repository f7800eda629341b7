"""The Kubernetes API, as far as Varflow needs it.

    async with Cluster.connect() as cluster:
        instance = await cluster.get(INSTANCE, "default", "hello-x7k2p")

Objects go in and out as plain JSON. `logins` finds out where the API server is and who we are, the
requests are made by `transports`, and what the API server refuses becomes one of our errors in
`refusals`. Nothing is cached here and nothing is asked again: the callers know what can wait.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Final

import aiohttp
import orjson
from aiohttp import hdrs

import varflow
from varflow.errors import (
    ClusterError,
    ClusterUnavailable,
    ObjectConflict,
    ObjectNotFound,
    ObjectRefused,
)
from varflow_operator import transports
from varflow_operator.kinds import Kind, Object
from varflow_operator.logins import ClusterLogin
from varflow_operator.refusals import Refusal
from varflow_operator.transports import Call, Login, Observe, Transport

FIELD_MANAGER: Final = "varflow-operator"
"""Who owns the fields that the operator writes."""

_PAGE: Final = "500"
"""Objects in one answer to a list: what kubectl asks for."""
_APPLY: Final = "application/apply-patch+yaml"
"""Every JSON text is YAML."""
_MERGE: Final = "application/merge-patch+json"


class Cluster:
    """An open connection to one cluster; safe for many tasks of one event loop."""

    def __init__(
        self,
        transport: Transport,
        login: Login,
        *,
        manager: str,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        self._transport = transport
        self._login = login
        self._manager = manager
        self._may_write = may_write

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(
        cls,
        *,
        kubeconfig: str | None = None,
        context: str | None = None,
        manager: str = FIELD_MANAGER,
        observe: Observe = transports.ignore,
    ) -> AsyncIterator[Cluster]:
        """Connect as long as the context lasts; the API server is not asked anything yet.

        The first of these that is there counts: `kubeconfig`, `KUBECONFIG`, the service account
        of the pod that we run in, `~/.kube/config`.

        Args:
            kubeconfig: one file, or several as in `KUBECONFIG`.
            context: another context of the kubeconfig than its current one.
            manager: whose fields these writes are, as `metadata.managedFields` has it.
            observe: told of every request.

        Raises:
            ClusterError: none of them is there, or the one that counts cannot be used.
        """
        login = await ClusterLogin.open(kubeconfig, context)
        agent = f"{manager}/{varflow.__version__}"
        async with Transport(login, agent=agent, observe=observe) as transport:
            yield cls(transport, login, manager=manager)

    def guarded(self, may_write: Callable[[], bool]) -> Cluster:
        """Return the same connection, whose writes are refused when they may not be made."""
        return Cluster(self._transport, self._login, manager=self._manager, may_write=may_write)

    @property
    def host(self) -> str:
        """The API server's URL."""
        return self._login.host

    @property
    def namespace(self) -> str | None:
        """The namespace of the kubeconfig's context, or of the pod that we run in, if any."""
        return self._login.namespace

    def open_session(self) -> aiohttp.ClientSession:
        """Return a session that carries our identity, for requests to `host` made elsewhere."""
        return self._transport.open_session()

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object:
        """Return an object.

        Raises:
            ObjectNotFound: there is none.
            ClusterError: as for all of these.
        """
        call = Call(verb="get", method=hdrs.METH_GET, kind=kind, namespace=namespace, name=name)
        return _decoded(call, await self._transport.send(call))

    async def find(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """Return an object, or None when the API server says that there is none."""
        try:
            return await self.get(kind, namespace, name)
        except ObjectNotFound:
            return None

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> AsyncGenerator[Object]:
        """Give all objects of a namespace, or of all namespaces.

        An object that is there the whole time is given; what comes or goes meanwhile may be.
        """
        query = {"limit": _PAGE, **_given(labelSelector=labels, fieldSelector=fields)}
        while True:
            call = Call(
                verb="list", method=hdrs.METH_GET, kind=kind, namespace=namespace, query=query
            )
            found = await self._transport.find(call)
            if isinstance(found, Refusal):
                if not found.resume:
                    raise found.error(call.shown)
                query["continue"] = found.resume  # it took longer than etcd keeps the past
                continue
            page = _decoded(call, found)
            for item in page["items"]:
                yield {"apiVersion": kind.api_version, "kind": kind.name, **item}
            query["continue"] = page["metadata"].get("continue") or ""
            if not query["continue"]:
                return

    async def create(self, kind: Kind, body: Object) -> Object:
        """Create an object.

        Raises:
            ObjectExists: there is one of that name.
            ObjectNotFound: its namespace does not exist.
        """
        call = Call(
            verb="create",
            method=hdrs.METH_POST,
            query={"fieldManager": self._manager},
            **_target(kind, body),
        )
        return await self._write(call, body)

    async def apply(self, kind: Kind, body: Object) -> Object:
        """Create an object, or make the given fields so, by server-side apply.

        Fields that this manager had applied and does not give any more are removed.
        """
        call = Call(
            verb="apply",
            method=hdrs.METH_PATCH,
            query={"fieldManager": self._manager, "force": "true"},
            content_type=_APPLY,
            **_target(kind, body),
        )
        return await self._write(call, body)

    async def replace_status(self, kind: Kind, body: Object) -> Object:
        """Write an object's status; `metadata.resourceVersion` must be its present one.

        A PUT, since a merge patch cannot write a null.

        Raises:
            ObjectConflict: it has changed, or is another one than `metadata.uid`. After a
                connection that broke off, our own write can be what changed it.
            ObjectNotFound: it is gone.
        """
        call = Call(
            verb="update",
            method=hdrs.METH_PUT,
            subresource="status",
            query={"fieldManager": self._manager},
            **_target(kind, body),
        )
        return await self._write(call, body)

    async def patch(self, kind: Kind, namespace: str | None, name: str, body: Object) -> Object:
        """Merge JSON into an object, its status excepted; null removes a field.

        Raises:
            ObjectConflict: `metadata.resourceVersion` or `metadata.uid` is given and another.
            ObjectNotFound: it is gone.
        """
        call = Call(
            verb="patch",
            method=hdrs.METH_PATCH,
            kind=kind,
            namespace=namespace,
            name=name,
            query={"fieldManager": self._manager},
            content_type=_MERGE,
        )
        return await self._write(call, body)

    async def delete(
        self, kind: Kind, namespace: str | None, name: str, *, uid: str | None = None
    ) -> None:
        """Delete an object, and what it owns in the background; fine when it is gone already.

        With `uid`, another object that has the name by now is left alone.
        """
        call = Call(
            verb="delete", method=hdrs.METH_DELETE, kind=kind, namespace=namespace, name=name
        )
        gone = (ObjectNotFound, ObjectConflict) if uid else (ObjectNotFound,)
        options = {
            "propagationPolicy": "Background",
            **({"preconditions": {"uid": uid}} if uid else {}),
        }
        with contextlib.suppress(*gone):
            await self._send(call, orjson.dumps(options))

    async def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
    ) -> AsyncGenerator[tuple[str, Object]]:
        """Give what happens to objects (`ADDED`, `MODIFIED`, `DELETED`) until the server ends it.

        Without `resource_version` the objects that are there come first, as `ADDED`.

        Raises:
            ClusterUnavailable: it broke off, or the version is too old; begin again.
        """
        query = {
            "watch": "true",
            "timeoutSeconds": str(transports.WATCH_SECONDS),
            **_given(labelSelector=labels, fieldSelector=fields, resourceVersion=resource_version),
        }
        call = Call(verb="watch", method=hdrs.METH_GET, kind=kind, namespace=namespace, query=query)
        async with contextlib.aclosing(self._transport.stream(call)) as lines:
            async for line in lines:
                event = _decoded(call, line)
                if event["type"] == "ERROR":
                    raise Refusal.of(event["object"]).error(call.shown)
                yield event["type"], event["object"]

    async def _write(self, call: Call, body: Object) -> Object:
        whole = {"apiVersion": call.kind.api_version, "kind": call.kind.name, **body}
        try:
            data = orjson.dumps(whole)
        except orjson.JSONEncodeError as error:
            raise ObjectRefused(f"{call.shown}: cannot be written as JSON: {error}") from error
        return _decoded(call, await self._send(call, data))

    async def _send(self, call: Call, data: bytes) -> bytes:
        if not self._may_write():
            raise ClusterUnavailable(f"{call.shown}: this process does not lead any more")
        return await self._transport.send(call, data)


def _target(kind: Kind, body: Object) -> dict[str, Any]:
    metadata = body["metadata"]
    return {
        "kind": kind,
        "namespace": metadata.get("namespace"),
        "name": metadata.get("name", ""),
    }


def _given(**parameters: str) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if value}


def _decoded(call: Call, data: bytes) -> Object:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ClusterError(f"{call.shown}: the answer is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ClusterError(f"{call.shown}: the answer is no object")
    return value
