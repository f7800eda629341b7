"""The secrets of a run: given to the expressions that name them, and hidden in all that is shown.

`--secret NAME=VALUE`, or `--secret NAME` for the environment variable of that name, which keeps the
value out of the shell's history and of the list of processes. PURE.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from varflow.engine.messages import Json
from varflow.shells import secrets as shell_secrets
from varflow.shells.secrets import SecretNotFound
from varflow_cli.console.failures import Mistake

MASK: Final = "***"

_SHORTEST_MASKED: Final = 4
"""Shorter values occur by chance everywhere; hiding them would tell them."""


def parse(options: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets given by `--secret`.

    Raises:
        Mistake: one of them has no name or no value.
    """
    secrets = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not name:
            raise Mistake("--secret: write NAME=VALUE, or NAME for an environment variable")
        if not equals:
            if name not in environ:
                raise Mistake(f"--secret {name}: there is no environment variable of that name")
            value = environ[name]
        secrets[name] = value
    return secrets


class Secrets:
    """Values by name, which neither `repr` nor an exception shows."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        # A value that contains another is replaced first.
        self._masked = sorted(
            (value for value in _texts(values.values()) if len(value) >= _SHORTEST_MASKED),
            key=len,
            reverse=True,
        )

    def add_to(self, data: Json, names: Iterable[str]) -> Json:
        """Return `data` with `.secrets`, holding the named ones; as it is when none is named.

        Raises:
            SecretNotFound: one of them was not given.
        """
        return shell_secrets.add_to(data, {name: self._get(name) for name in names})

    def mask(self, text: str) -> str:
        """Return `text` without the values."""
        for value in self._masked:
            text = text.replace(value, MASK)
        return text

    def _get(self, name: str) -> str:
        try:
            return self._values[name]
        except KeyError:
            raise SecretNotFound(
                f"the secret {name!r} was not given; call varflow run --secret {name}=VALUE"
            ) from None


def _texts(values: Iterable[str]) -> Iterable[str]:
    """Yield each value and, since text is shown line by line, the lines of a longer one."""
    for value in values:
        yield value
        if "\n" in value:
            yield from (line.strip() for line in value.splitlines())
