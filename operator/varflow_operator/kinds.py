"""The kinds of objects that Varflow reads and writes, and where the Kubernetes API has them. PURE.

Objects are plain JSON, as the API server sends them: generated model classes cost memory and time,
and drop the fields that their version does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import quote

Object: TypeAlias = dict[str, Any]

GROUP: Final = "varflow.dev"
VERSION: Final = "v1alpha1"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object."""

    group: str
    """Empty for the core group."""
    version: str
    name: str
    """As in an object's `kind`."""
    plural: str
    is_namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As in an object's `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str = "", *, subresource: str = "") -> str:
        """Return the path of an object, or of all when there is no name; quoted."""
        parts = ["", "apis", self.group, self.version] if self.group else ["", "api", self.version]
        if self.is_namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)

    def reference(self, name: str, uid: str) -> Object:
        """Return an object of this kind as another one names its owner."""
        return {"apiVersion": self.api_version, "kind": self.name, "name": name, "uid": uid}

    def shown(self, namespace: str | None, name: str = "") -> str:
        """Return how messages name an object, or all of them when there is no name."""
        if not name:
            return self.plural + (f" in {namespace}" if namespace else "")
        return f"{self.name} {namespace}/{name}" if namespace else f"{self.name} {name}"


WORKFLOW: Final = Kind(GROUP, VERSION, "Workflow", "workflows")
VARIABLE: Final = Kind(GROUP, VERSION, "Variable", "variables")
INSTANCE: Final = Kind(GROUP, VERSION, "WorkflowInstance", "workflowinstances")
DEPLOYMENT: Final = Kind("apps", "v1", "Deployment", "deployments")
CONTROLLER_REVISION: Final = Kind("apps", "v1", "ControllerRevision", "controllerrevisions")
POD: Final = Kind("", "v1", "Pod", "pods")
SECRET: Final = Kind("", "v1", "Secret", "secrets")
CONFIG_MAP: Final = Kind("", "v1", "ConfigMap", "configmaps")
NAMESPACE: Final = Kind("", "v1", "Namespace", "namespaces", is_namespaced=False)
EVENT: Final = Kind("events.k8s.io", "v1", "Event", "events")
SELF_SUBJECT_REVIEW: Final = Kind(
    "authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", is_namespaced=False
)
LEASE: Final = Kind("coordination.k8s.io", "v1", "Lease", "leases")
