"""YAML text as values that know their lines. PURE.

Built from the parser's *events* with a stack of its own rather than by PyYAML's composer and
constructor: composing recurses in C, where deep nesting ends the process, and constructing follows
YAML 1.1 (see `scalars`). Aliases share what they name and merge keys (`<<`) work; what they expand
to is counted, text included, so that a few lines cannot become gigabytes. Keys are strings, as in
JSON, whatever they look like; one given twice is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from varflow.language import complaints, scalars
from varflow.language.complaints import InvalidYamlError
from varflow.language.expressions import Path

MAX_BYTES = 2 * 1024 * 1024
"""Largest file. A cluster takes objects of at most 1.5 MiB."""
MAX_NODES = 50_000
"""Most values in one file, each counted as often as aliases repeat it."""
VALUE_CHARACTERS = 64
"""A longer text or key counts as several values."""
MAX_DEPTH = 64
"""Deepest nesting of mappings and lists."""

_MERGE = "<<"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Node:
    """A value with the place of its beginning; a member's place is that of its key."""

    value: Any
    line: int
    column: int
    size: int = 1
    """Values in it, itself included, with aliases expanded."""
    members: dict[str | int, tuple[Node, int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file."""

    root: Node

    @property
    def value(self) -> Any:
        """What the document says."""
        return self.root.value

    def find_position(self, path: Path) -> tuple[int, int]:
        """Return line and column of the path's deepest part that is there, both from 1."""
        node, position = self.root, (self.root.line, self.root.column)
        for step in path:
            member = node.members.get(step)
            if member is None:
                break
            node, position = member[0], member[1:]
        return position


def parse(data: bytes | str) -> list[Document]:
    """Return the documents of a file, without the empty ones.

    Raises:
        InvalidYamlError: at the first place that cannot be read.
    """
    if len(data) > MAX_BYTES:
        raise InvalidYamlError(1, 1, f"the file is larger than {MAX_BYTES // 1024**2} MiB")
    text = _decode(data) if isinstance(data, bytes) else data
    try:
        return list(_documents(yaml.parse(text, Loader=_LOADER)))
    except yaml.MarkedYAMLError as error:
        raise complaints.of_parser(error, text) from error
    except yaml.reader.ReaderError as error:
        raise complaints.of_reader(error, text) from error


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise InvalidYamlError(line, column, "the file is not UTF-8 text") from error


def _documents(events: Iterator[Any]) -> Iterator[Document]:
    builder = _Builder()
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            builder.begin()
        elif isinstance(event, yaml.DocumentEndEvent):
            root = builder.root
            if root is not None and root.value is not None:
                yield Document(root)
        else:
            builder.take(event)


@dataclass(slots=True)
class _Open:
    """A mapping or list that is being read."""

    node: Node
    anchor: str | None
    key: Node | None = None
    """A mapping's key whose value comes next."""
    merges: list[Node] = field(default_factory=list)
    """Mappings under `<<`, whose keys count where there are no others."""


class _Builder:
    """Builds one document's value after the other from their events."""

    def __init__(self) -> None:
        self._count = 0
        self.begin()

    def begin(self) -> None:
        """Begin another document; what counts against the limits goes on."""
        self.root: Node | None = None
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}
        """None marks one that is still being read."""

    def take(self, event: Any) -> None:
        """Add what an event says."""
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.AliasEvent():
                self._add(self._named(event), event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._start(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._end(event)
            case _:
                pass

    def _scalar(self, event: Any) -> None:
        if self._expects_key():
            node = self._key(event)
            self._stack[-1].key = node
            self._stack[-1].node.size += node.size - 1
            self._count += node.size - 1
        else:
            node = _node(event, _resolved(event))
            self._add(node, event)
        if event.anchor:
            self._anchors[event.anchor] = node

    def _key(self, event: Any) -> Node:
        if event.value == _MERGE and not event.style and not event.tag:
            return _node(event, None)
        first = self._stack[-1].node.members.get(event.value)
        if first:
            raise _error(event, f"the key {_shown(event.value)} is here and in line {first[1]}")
        return _node(event, event.value)

    def _named(self, event: Any) -> Node:
        if event.anchor not in self._anchors:
            raise _error(
                event, f"the alias *{event.anchor} has no anchor &{event.anchor} before it"
            )
        node = self._anchors[event.anchor]
        if node is None:
            raise _error(event, f"the alias *{event.anchor} stands inside what it names")
        return node

    def _start(self, event: Any) -> None:
        if self._expects_key():
            raise _error(event, "a key must be a word; a text that begins like this needs quotes")
        if len(self._stack) >= MAX_DEPTH:
            raise _error(event, f"nested deeper than {MAX_DEPTH} levels")
        kind = dict if isinstance(event, yaml.MappingStartEvent) else list
        if event.tag not in {None, "!"} and kind not in scalars.TAGS.get(event.tag, ()):
            raise _error(event, f"the tag {scalars.shown_tag(event.tag)} is not supported here")
        if event.anchor:
            self._anchors[event.anchor] = None
        self._stack.append(_Open(_node(event, kind()), event.anchor))

    def _end(self, event: Any) -> None:
        closed = self._stack.pop()
        for merged in closed.merges:
            _merge(closed.node, merged)
        if closed.anchor:
            self._anchors[closed.anchor] = closed.node
        self._add(closed.node, event, already_counted=closed.node.size - 1)

    def _add(self, node: Node, event: Any, *, already_counted: int = 0) -> None:
        self._count += node.size - already_counted
        if self._count > MAX_NODES:
            raise _error(event, f"the file holds more than {MAX_NODES} values")
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        parent.node.size += node.size
        if isinstance(parent.node.value, list):
            parent.node.members[len(parent.node.value)] = (node, node.line, node.column)
            parent.node.value.append(node.value)
        else:
            self._enter(parent, node, event)

    def _enter(self, parent: _Open, node: Node, event: Any) -> None:
        key = parent.key
        if key is None:
            raise _error(event, "a key must be a word or a string")
        parent.key = None
        if key.value is None:
            parent.merges += _mergeable(node, event)
            return
        parent.node.members[key.value] = (node, key.line, key.column)
        parent.node.value[key.value] = node.value

    def _expects_key(self) -> bool:
        if not self._stack:
            return False
        last = self._stack[-1]
        return isinstance(last.node.value, dict) and last.key is None


def _node(event: Any, value: Any) -> Node:
    size = 1 + len(getattr(event, "value", "")) // VALUE_CHARACTERS
    return Node(value, event.start_mark.line + 1, event.start_mark.column + 1, size)


def _resolved(event: Any) -> Any:
    try:
        return scalars.resolve(event.value, is_plain=not event.style, tag=event.tag)
    except ValueError as error:
        raise _error(event, str(error)) from error


def _mergeable(node: Node, event: Any) -> list[Node]:
    is_list = isinstance(node.value, list)
    nodes = [member[0] for member in node.members.values()] if is_list else [node]
    if not all(isinstance(item.value, dict) for item in nodes):
        raise _error(event, "<< takes a mapping, or a list of mappings")
    return nodes


def _merge(into: Node, merged: Node) -> None:
    for key, member in merged.members.items():
        if key not in into.members:
            into.members[key] = member
            into.value[key] = member[0].value


def _error(event: Any, message: str) -> InvalidYamlError:
    return InvalidYamlError(event.start_mark.line + 1, event.start_mark.column + 1, message)


def _shown(key: str) -> str:
    return repr(key if len(key) <= 40 else key[:37] + "...")
