"""Volumes for claims that name no storage class: folders of the node.

They are made in advance, because what the controllers could make of themselves belongs to root,
and a folder of the node is not given to the group of a pod's `fsGroup`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.support.cluster.kubectl import Kubectl

COUNT = 10
SIZE = "10Gi"
"""What a claim may ask for at most; nothing limits what it then uses."""


def supply(kubectl: Kubectl, folder: Path) -> None:
    """See that there are volumes which nobody has used, replacing those whose claim is gone."""
    found = {item["metadata"]["name"]: item for item in kubectl.get("persistentvolumes")["items"]}
    used = [name for name, item in found.items() if item["status"].get("phase") == "Released"]
    for name in used:
        kubectl("delete", "persistentvolume", name)
        shutil.rmtree(folder / name)
    names = [f"local-{number}" for number in range(COUNT)]
    fresh = [name for name in names if name not in found or name in used]
    for name in fresh:
        (folder / name).mkdir(parents=True)
        (folder / name).chmod(0o777)
    if fresh:
        kubectl.apply(*(_volume(name, folder / name) for name in fresh))


def _volume(name: str, folder: Path) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": SIZE},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": str(folder), "type": "Directory"},
        },
    }
