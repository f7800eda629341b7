"""How botocore's descriptions of services are read: into half the memory that they take by itself.

The SDK reads the regions of every service there is, and S3's description with all documentation,
into ordered dictionaries with strings of their own for each name: 11 MiB in every sidecar for as
long as it lives. Plain dictionaries keep their order as well, a name that comes again can be the
same string, nobody reads documentation there, and of services few are ever asked.

Rejected: descriptions of our own, cut to the requests that are made here: they would have to follow
the SDK's.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, Final

import orjson

_ASKED: Final = frozenset({"oidc", "portal.sso", "s3", "signin", "sts"})
"""The store itself, and those that credentials come from. For one that is missing the SDK puts
together the address that its partition's services have."""


class Files:
    """Stands in for `botocore.loaders.JSONFileLoader`: its two methods, and its file names."""

    def exists(self, file_path: str) -> bool:
        """Tell whether there is a file of this name, which lacks its suffix."""
        return _find(file_path) is not None

    def load_file(self, file_path: str) -> Any:
        """Return what the file holds that is needed here; None when there is none."""
        path = _find(file_path)
        if path is None:
            return None
        data = path.read_bytes()
        loaded = orjson.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
        if isinstance(loaded, dict):
            for partition in loaded.get("partitions", ()):
                _keep_asked(partition)
        _strip(loaded)
        return loaded


def _find(file_path: str) -> Path | None:
    candidates = (Path(f"{file_path}.json"), Path(f"{file_path}.json.gz"))
    return next((path for path in candidates if path.is_file()), None)


def _keep_asked(partition: dict[str, Any]) -> None:
    if "services" in partition:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in _ASKED & services.keys()}


def _strip(loaded: Any) -> None:
    """Empty the documentation, which must be there; what is only called so, as a field, stays."""
    if isinstance(loaded, dict):
        if isinstance(loaded.get("documentation"), str):
            loaded["documentation"] = ""
        for value in loaded.values():
            _strip(value)
    elif isinstance(loaded, list):
        for value in loaded:
            _strip(value)
