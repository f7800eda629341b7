"""The chart as helm renders it, and deploy/varflow.yaml, which is made from that.

`python -m tests.support.charts` prints the latter; `make chart` writes it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.cluster import builds, programs

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "varflow"
CRDS = CHART / "files" / "crds"
MANIFEST = ROOT / "deploy" / "varflow.yaml"

SYSTEM = "varflow-system"
"""The namespace of deploy/varflow.yaml, and the usual one of a release."""

OLDEST_KUBERNETES = "1.29.0"
"""What is rendered for: helm does not ask a cluster, and its own idea of one varies."""

CALL_SECONDS = 60.0

_HEAD = f"""\
# Varflow, as one file: kubectl apply --server-side -f varflow.yaml
# Made from charts/varflow with its default values, by `make chart`; docs/install.md says more.
apiVersion: v1
kind: Namespace
metadata:
  name: {SYSTEM}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""


class HelmFailed(Exception):
    """Helm refused something; the message has what it said."""


@dataclass(frozen=True, slots=True)
class Helm:
    """Calls the program."""

    program: Path

    @classmethod
    def find(cls) -> Helm:
        """Return the helm on the PATH, or build the one that tests have pinned."""
        if found := shutil.which("helm"):
            return cls(Path(found))
        builds.build("helm")
        return cls(programs.find("helm"))

    def __call__(self, *arguments: str | Path) -> str:
        """Return what it prints."""
        done = subprocess.run(
            [self.program, *arguments],
            capture_output=True,
            text=True,
            timeout=CALL_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise HelmFailed(f"helm {arguments[0]}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def render(self, *values: str, release: str = "varflow", namespace: str = SYSTEM) -> str:
        """Return the chart's manifest; `values` are as in `--set-json`."""
        given = [f"--set-json={value}" for value in values]
        where = ("--namespace", namespace, "--kube-version", OLDEST_KUBERNETES)
        return self("template", release, CHART, *where, *given)

    def objects(self, *values: str, namespace: str = SYSTEM) -> list[dict[str, Any]]:
        """Return the objects of the chart's manifest."""
        return parse(self.render(*values, namespace=namespace))


def parse(manifest: str) -> list[dict[str, Any]]:
    """Return the objects of a manifest."""
    return [document for document in yaml.safe_load_all(manifest) if document]


def of_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """Return the objects of one kind by their names."""
    return {it["metadata"]["name"]: it for it in objects if it["kind"] == kind}


def plain_manifest(helm: Helm) -> str:
    """Return what deploy/varflow.yaml has to be."""
    rendered = helm.render().replace("managed-by: Helm", "managed-by: kubectl")
    return _HEAD + "".join(f"{line.rstrip()}\n" for line in rendered.splitlines())


if __name__ == "__main__":
    sys.stdout.write(plain_manifest(Helm.find()))
