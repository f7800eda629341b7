"""The definitions as YAML text. PURE."""

from __future__ import annotations

from typing import Any, Final

import yaml

from varflow_operator.schemas import definitions

_HEAD: Final = "# Made by `make crds` from the models in the sources; do not edit it here.\n"


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def make_files() -> dict[str, str]:
    """Return each definition's text by the name of its file."""
    resources = [definitions.make_resource(it) for it in definitions.definitions()]
    return {
        f"{resource['metadata']['name']}.yaml": _HEAD
        + yaml.dump(resource, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
        for resource in resources
    }
