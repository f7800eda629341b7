"""A real API server, shared by all tests of a run, and a namespace of its own for each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support import operating, operators
from tests.support.charts import Helm
from tests.support.cluster import control_plane, keeping, places, programs
from tests.support.cluster.control_plane import ApiServer
from tests.support.cluster.kubectl import Kubectl
from tests.support.operators import OperatorProcess
from tests.support.runs import Caller
from varflow.language.evaluating import Evaluator
from varflow.language.syntax import Limits

CRDS = places.ROOT / "crds"


@pytest.fixture(scope="session")
def api_server(run_folder: Path) -> Iterator[ApiServer]:
    """An API server that knows the kinds of this repository; pods stay Pending."""
    with keeping.using("control", run_folder / "control-plane") as facts:
        server = control_plane.decode(facts)
        call = Kubectl(programs.find_for_control_plane("kubectl"), server.kubeconfig)
        if CRDS.is_dir():
            call("apply", "--server-side", "--filename", str(CRDS))
            call("wait", "--for=condition=Established", "crd", "--all")
        yield server


@pytest.fixture(scope="session")
def controllers(api_server: ApiServer) -> None:
    """Owner references, namespaces and Deployments are acted upon."""
    if not programs.has_controllers():
        pytest.skip(f"{programs.ASSETS} has no kube-controller-manager")


@pytest.fixture
def kubectl(api_server: ApiServer) -> Kubectl:
    """Call kubectl as an administrator."""
    return Kubectl(programs.find_for_control_plane("kubectl"), api_server.kubeconfig)


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace that nobody else uses."""
    with kubectl.new_namespace() as name:
        yield name


@pytest.fixture(scope="session")
def helm() -> Helm:
    """The program helm."""
    return Helm.find()


@pytest_asyncio.fixture
async def operated(
    api_server: ApiServer, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> AsyncIterator[Caller]:
    """Somebody who is logged in, in a namespace that an operator serves."""
    environ = operators.settings(namespace, api_server.kubeconfig, tmp_path / "of-cluster")
    operator = await OperatorProcess.start(environ)
    try:
        await operator.until_ready("leading")
        url = environ["VARFLOW_STORE"]
        here = kubectl.in_namespace(namespace)
        await asyncio.to_thread(here.apply, operating.settings(url, secret="", encryption="on"))
        kubeconfig = operating.in_namespace(api_server.kubeconfig, namespace, tmp_path)
        access = {"KUBECONFIG": str(kubeconfig), "VARFLOW_SYSTEM_NAMESPACE": namespace}
        yield Caller(tmp_path, access)
    finally:
        await operator.kill()


@pytest_asyncio.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    """What evaluates expressions, with more patience than a busy machine tries."""
    async with Evaluator(limits=Limits(seconds=5)) as evaluator:
        yield evaluator
