"""Where every object lives in the store. PURE.

    varflow.json                            layout marker
    probes/<id>/<check>/<name>              records of a probe under way (`probing`)
    v1/<cluster>/<namespace UID>/
        owner.json                          whose prefix this is, for sweepers and for people
        sweep.json                          which bodies nobody named at the last sweep (`marks`)
        n/<key>                             records of the namespace's variables
        w/<workflow UID>/<key>              records of a workflow's
        s/<workflow UID>/<function>/<…>     records of its states, see `states`
        h/n/<key>/<rev>, h/w/<UID>/<key>/…  older revisions of those in `n` and `w`
        i/<instance UID>/vars/<key>         records of an instance's
        i/<instance UID>/decisions/<name>   one per action that changed variables
        i/<instance UID>/data/<name>        large results and engine data
        i/<instance UID>/log/<name>         the log's chunks
        bodies/<id>                         immutable values too large for their record

The segments are UIDs where a cluster gives them (locally a name is its own UID), and keys stand
unescaped: a driver escapes what its backend cannot hold, and a bucket browser shows what a person
would look for. Prefixes end in `/`, so that one owner's is never the beginning of another's
(`LIKE 'ns%'` deleted the neighbours' data in Direktiv). Bodies are named by records, and by older
revisions: who removes what nobody names has to look at both.

The prefixes of an owner are remembered: a GET should cost the key's concatenation, no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from varflow.errors import InvalidInput
from varflow.variables import keys
from varflow.variables.scopes import Address, AnyAddress, Owners, Scope

LAYOUT: Final = 1
"""Version of everything below; a store that says another one is refused."""
MARKER: Final = "varflow.json"
PROBES: Final = "probes/"
"""Prefix of all probes; outside of every owner's, where no sweeper looks."""

_VERSION: Final = f"v{LAYOUT}"
_NOTE: Final = "owner.json"
_REMEMBERED: Final = 4096
_WITH_REVISIONS: Final = frozenset({"n", "w"})


def cluster_prefix(cluster: str) -> str:
    """Return the prefix of everything that belongs to a cluster.

    Raises:
        InvalidInput: a name cannot stand in a path; so too for all functions here.
    """
    return f"{_VERSION}/{_segment('cluster', cluster)}/"


@lru_cache(maxsize=_REMEMBERED)
def namespace_prefix(owners: Owners) -> str:
    """Return the prefix of everything that belongs to the namespace."""
    cluster, namespace = (
        _segment("cluster", owners.cluster),
        _segment("namespace", owners.namespace),
    )
    return f"{_VERSION}/{cluster}/{namespace}/"


@lru_cache(maxsize=_REMEMBERED)
def workflow_prefix(owners: Owners) -> str:
    """Return the prefix of everything that ends with the workflow."""
    return f"{namespace_prefix(owners)}w/{_segment('workflow', owners.workflow)}/"


@lru_cache(maxsize=_REMEMBERED)
def instance_prefix(owners: Owners) -> str:
    """Return the prefix of everything that ends with the instance."""
    return f"{namespace_prefix(owners)}i/{_segment('instance', owners.instance)}/"


@lru_cache(maxsize=_REMEMBERED)
def scope_prefix(owners: Owners, scope: Scope) -> str:
    """Return what the records of one scope have in common; the rest of their path is the key."""
    match scope:
        case Scope.INSTANCE:
            return f"{instance_prefix(owners)}vars/"
        case Scope.WORKFLOW:
            return workflow_prefix(owners)
        case Scope.NAMESPACE:
            return f"{namespace_prefix(owners)}n/"


@lru_cache(maxsize=_REMEMBERED)
def states_prefix(owners: Owners) -> str:
    """Return what the records of a workflow's states have in common; the rest is their name."""
    return f"{namespace_prefix(owners)}s/{_segment('workflow', owners.workflow)}/"


def variable(address: AnyAddress) -> str:
    """Return the path of a variable's or state's record."""
    if isinstance(address, Address):
        return scope_prefix(address.owners, address.scope) + address.key
    return states_prefix(address.owners) + address.key


def has_revisions(record_path: str) -> bool:
    """Tell whether older revisions may be kept: an instance's variables and states have none."""
    return record_path.split("/", 4)[3] in _WITH_REVISIONS


def revisions_prefix(record_path: str) -> str:
    """Return the prefix of a record's older revisions, or of those of all records of a scope."""
    version, cluster, namespace, rest = record_path.split("/", 3)
    return f"{version}/{cluster}/{namespace}/h/{rest.removesuffix('/')}/"


def revision(record_path: str, rev: str) -> str:
    """Return the path of one older revision of a record."""
    return revisions_prefix(record_path) + _segment("revision", rev)


def key_of(path: str) -> str:
    """Return the key, or other last name, of a path."""
    return path.rpartition("/")[2]


def body(owners: Owners, body_id: str) -> str:
    """Return the path of a body; bodies belong to the namespace, whatever names them."""
    return f"{namespace_prefix(owners)}bodies/{body_id}"


def decisions_prefix(owners: Owners) -> str:
    """Return the prefix of the instance's decisions."""
    return f"{instance_prefix(owners)}decisions/"


def decision(owners: Owners, name: str) -> str:
    """Return the path of an action's decision object; `name` says step and branch."""
    return decisions_prefix(owners) + _segment("decision", name)


def data_prefix(owners: Owners) -> str:
    """Return the prefix of the instance's large results and engine data."""
    return f"{instance_prefix(owners)}data/"


def data(owners: Owners, name: str) -> str:
    """Return the path of one of the instance's data objects."""
    return data_prefix(owners) + _segment("data object", name)


def data_beside(decision_path: str, name: str) -> str:
    """Return the path of a data object of the instance that a decision belongs to."""
    instance, _, _ = decision_path.rpartition("/decisions/")
    return f"{instance}/data/{name}"


def log_prefix(owners: Owners) -> str:
    """Return the prefix of the instance's log."""
    return f"{instance_prefix(owners)}log/"


def log_chunk(owners: Owners, name: str) -> str:
    """Return the path of one chunk of the instance's log."""
    return log_prefix(owners) + _segment("log chunk", name)


def owner(owners: Owners) -> str:
    """Return the path of the note that says whose prefix this is."""
    return namespace_prefix(owners) + _NOTE


def namespace_of(path: str) -> str:
    """Return the UID of the namespace that an object belongs to; nothing for one of none."""
    place = parse(path)
    return place.namespace if place else ""


def is_public(path: str) -> bool:
    """Tell whether everybody who sees the store may read the object: it is about the store."""
    if path == MARKER or path.startswith(PROBES):
        return True
    place = parse(path)
    return place is not None and place.folder == _NOTE


def describe(path: str) -> str:
    """Return what an object is, for people who know variables and no paths."""
    match path.split("/", 6)[3:]:
        case ["n", key]:
            return f"variable namespace/{key}"
        case ["w", _, key]:
            return f"variable workflow/{key}"
        case ["h", "n", key, rev] | ["h", "w", _, key, rev]:
            return f"revision {rev} of variable {key}"
        case ["i", _, "vars", key]:
            return f"variable instance/{key}"
        case ["i", instance, part, name]:
            return f"{name!r} in {part} of instance {instance}"
        case ["s", _, *names]:
            return f"state {'/'.join(names)}"
        case ["bodies", body_id]:
            return f"the value {body_id}"
        case _:
            return f"the object {path}"


def probe_record(probe: str, check: str, name: str) -> str:
    """Return the path of a record of a probe; without a name, what all of a check's begin with."""
    return f"{PROBES}{probe}/{check}/{name}"


def marks(prefix: str) -> str:
    """Return the path of what sweepers remember of the namespace with this prefix."""
    return f"{prefix}sweep.json"


class Content(Enum):
    """What lies at a path below a namespace's prefix."""

    RECORD = "record"
    REVISION = "revision"
    DECISION = "decision"
    BODY = "body"
    OTHER = "other"
    """Known, and names no body: notes, data, logs."""
    UNKNOWN = "unknown"


def content_of(path: str) -> Content:
    """Return what lies at a path, as far as this version knows."""
    match path.split("/")[3:]:
        case ["n", _] | ["w", _, _] | ["s", _, _, _] | ["s", _, _, _, _] | ["i", _, "vars", _]:
            return Content.RECORD
        case ["h", "n", _, _] | ["h", "w", _, _, _]:
            return Content.REVISION
        case ["i", _, "decisions", _]:
            return Content.DECISION
        case ["bodies", _]:
            return Content.BODY
        case ["i", _, "data" | "log", _] | ["owner.json" | "sweep.json"]:
            return Content.OTHER
        case _:
            return Content.UNKNOWN


def record_of_revision(path: str) -> str:
    """Return the path of the record that an older revision is of."""
    version, cluster, namespace, _, rest = path.split("/", 4)
    return f"{version}/{cluster}/{namespace}/{rest.rpartition('/')[0]}"


def find_namespace_prefix(path: str) -> str | None:
    """Return the prefix of the namespace that an object belongs to, or None."""
    match path.split("/", 3):
        case [version, cluster, namespace, _] if version == _VERSION:
            return f"{version}/{cluster}/{namespace}/"
        case _:
            return None


def behind(prefix: str) -> str:
    """Return a path that sorts behind everything that begins with `prefix`, which ends in `/`."""
    return prefix.removesuffix("/") + "0"


@dataclass(frozen=True, slots=True)
class Place:
    """Whose an object in the store is."""

    cluster: str
    namespace: str
    folder: str
    """`n`, `w`, `s`, `h`, `i`, `bodies` or `owner.json`."""
    owner: str = ""
    """The workflow's or instance's UID, below `w`, `s`, `h/w` and `i`."""
    part: str = ""
    """`vars`, `decisions`, `data` or `log`, below `i`."""
    name: str = ""
    """What comes after that."""


def parse(path: str) -> Place | None:
    """Return whose an object is; None for one that is not below a namespace's prefix."""
    match path.split("/", 6):
        case [version, cluster, namespace, "i", owner, part, name] if version == _VERSION:
            return Place(cluster, namespace, "i", owner, part, name)
        case [version, cluster, namespace, "w" | "s" as folder, owner, *_] if version == _VERSION:
            return Place(cluster, namespace, folder, owner)
        case [version, cluster, namespace, "h", "w", owner, *_] if version == _VERSION:
            return Place(cluster, namespace, "h", owner)
        case [version, cluster, namespace, folder, *_] if version == _VERSION:
            return Place(cluster, namespace, folder)
        case _:
            return None


def _segment(what: str, name: str) -> str:
    """Return `name` if it can be one segment of a path; keys have the widest rule there is."""
    fault = keys.find_fault(name)
    if fault:
        raise InvalidInput(f"{what} {name[:64]!a} {fault}")
    return name
