"""A cluster whose pods run, with all images loaded, and a namespace of its own for each test.

A fixture that cannot have what it needs fails: an end-to-end test is never skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import installation
from tests.support.cluster import images, targets
from tests.support.cluster.kubectl import Kubectl
from tests.support.cluster.targets import Target
from tests.support.installation import Bucket, Installation


@pytest.fixture(scope="session")
def cluster(run_folder: Path) -> Iterator[Target]:
    """A cluster that has every image of images.py."""
    with targets.using(run_folder) as target:
        for archive in images.find_archives():
            target.load(archive)
        yield target


@pytest.fixture(scope="session")
def varflow(cluster: Target) -> Iterator[Installation]:
    """Varflow in that cluster, by helm and with the chart's own values."""
    with installation.installed(cluster) as found:
        yield found


@pytest.fixture
def bucket(varflow: Installation) -> Iterator[Bucket]:
    """Its store, as an S3 client sees it."""
    with installation.bucket(varflow) as found:
        yield found


@pytest.fixture
def kubectl(cluster: Target) -> Kubectl:
    """Call kubectl as an administrator."""
    return cluster.kubectl


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace that nobody else uses."""
    with kubectl.new_namespace() as name:
        there = kubectl.in_namespace(name)
        there("wait", "--for=create", "serviceaccount/default", "--timeout=60s")
        yield name
