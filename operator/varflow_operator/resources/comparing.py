"""Whether an object is as it should be, so that what is right is not written again. PURE.

The API server fills in defaults, leaves out what is empty, and writes quantities in a form of its
own. So only the fields that are wanted are compared, empty and absent are the same, and so are
`0.5` and `500m`. What others add to an object is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

_QUANTITY: Final = re.compile(r"([+-]?[0-9.]+)(?:[eE]([+-]?[0-9]{1,2})|([KMGTPE]i|[numkMGTPE]))?")
_QUANTITY_FIELDS: Final = frozenset({"resources", "divisor"})
_SUFFIXES: Final = {
    **{name: Decimal(1000) ** power for name, power in zip("num", (-3, -2, -1), strict=True)},
    **{name: Decimal(1000) ** power for power, name in enumerate("kMGTPE", 1)},
    **{f"{name}i": Decimal(1024) ** power for power, name in enumerate("KMGTPE", 1)},
}


def holds(wanted: Any, found: Any) -> bool:
    """Tell whether all that is wanted is in what was found."""
    return _holds(wanted, found, name="", is_quantity=False)


def _holds(wanted: Any, found: Any, *, name: str, is_quantity: bool) -> bool:
    is_quantity = is_quantity or name in _QUANTITY_FIELDS
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return all(
            _holds(value, found.get(key), name=key, is_quantity=is_quantity)
            for key, value in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(holds, wanted, found))
    if is_quantity and isinstance(wanted, str) and isinstance(found, str):
        return wanted == found or _parse(wanted) == _parse(found) is not None
    return bool(wanted == found) or _is_empty(wanted, found)


def _is_empty(wanted: Any, found: Any) -> bool:
    return found is None and wanted in ("", [], {}, None)


def _parse(text: str) -> Decimal | None:
    match = _QUANTITY.fullmatch(text)
    if match is None or match[1].count(".") > 1 or not match[1].strip("+-."):
        return None
    number = Decimal(match[1])
    if match[2]:
        return number.scaleb(int(match[2]))
    return number * _SUFFIXES[match[3]] if match[3] else number
