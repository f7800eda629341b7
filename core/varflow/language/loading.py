"""Files in, checked workflows and declared variables out; or every problem in them at once.

Reading a file, telling what its documents are, and making values of them go one after the other for
all files; then all programs are compiled in one go. Programs that are refused are found again by
validating the documents a second time with that knowledge: it puts each complaint at its field.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from varflow.errors import InvalidWorkflowFile, Problem
from varflow.language import checks, documents, editions, syntax
from varflow.language.codes import Code
from varflow.language.complaints import InvalidYamlError
from varflow.language.declarations import DeclaredVariable
from varflow.language.documents import Document
from varflow.language.editions import Envelope, Kind
from varflow.language.expressions import Dialect, Fault, Path, Program
from varflow.language.fields import Context
from varflow.language.workflow import Workflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a workflow comes from, and how it was read."""

    file: str
    """As it was named; `local.dir` of a function is relative to its folder."""
    line: int
    reason: str
    """Why its dialect was chosen."""
    document: Document
    prefix: Path
    """Where the spec is in the document."""

    def problem(self, fault: Fault) -> Problem:
        """Return what is wrong at a place in the spec, with its line."""
        whole = dataclasses.replace(fault, path=(*self.prefix, *fault.path))
        return _problem(self.file, self.document, whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """What some files define."""

    workflows: dict[str, Workflow] = field(default_factory=dict)
    """By name, in the order of the files; the first is the main one."""
    variables: list[DeclaredVariable] = field(default_factory=list)
    origins: dict[str, Origin] = field(default_factory=dict)
    """By the workflow's name."""
    envelopes: list[Envelope] = field(default_factory=list)
    """What the documents say themselves, in their order; for `manifests`."""


def load_files(paths: Iterable[str | FilePath], *, dialect: Dialect | None = None) -> Definitions:
    """Load YAML files. Reads them and waits for a process, so not for an event loop.

    Args:
        paths: each may hold several documents: manifests, or Direktiv's own workflows.
        dialect: how expressions are written, whatever the files say.

    Raises:
        InvalidWorkflowFile: with everything that is wrong in any of them.
        VarflowError: the programs cannot be compiled within their limits.
    """
    loading = _Loading(dialect)
    for path in paths:
        try:
            with open(path, "rb") as file:
                # Devices and pipes may never end; one byte more says that it is too much.
                loading.read(str(path), file.read(documents.MAX_BYTES + 1))
        except OSError as error:
            loading.problems.append(
                Problem(
                    str(path),
                    f"cannot be read: {error.strerror or error}",
                    code=Code.UNREADABLE_FILE,
                )
            )
    return loading.finish()


def load_text(text: str, *, source: str, dialect: Dialect | None = None) -> Definitions:
    """Load YAML text; `source` is its name in messages, and as a file's would be.

    Raises:
        InvalidWorkflowFile: with everything that is wrong in it.
        VarflowError: the programs cannot be compiled within their limits.
    """
    loading = _Loading(dialect)
    loading.read(source, text.encode(errors="surrogatepass"))
    return loading.finish()


def load_object(value: Any, *, is_compiled: bool = False) -> Workflow | DeclaredVariable:
    """Load an object as the API of a cluster has it; problems have fields and no lines.

    Args:
        value: a manifest.
        is_compiled: its programs are known to compile. Otherwise this waits for a process, so
            not for an event loop.

    Raises:
        InvalidWorkflowFile: with everything that is wrong in it.
        VarflowError: the programs cannot be compiled within their limits.
    """
    envelope = editions.open_document(value, stem="")
    if isinstance(envelope, Fault):
        raise _refusal("object", [envelope])
    programs: set[Program] = set()
    made, faults = _make(envelope, programs, {})
    refused = {} if is_compiled else syntax.find_faults(programs)
    if refused:
        made, faults = _make(envelope, programs, refused)
    faults = [*envelope.faults, *faults]
    if faults or made is None:
        raise _refusal(f"{envelope.kind} {envelope.name}", faults)
    return made


def _refusal(name: str, faults: Iterable[Fault]) -> InvalidWorkflowFile:
    return InvalidWorkflowFile(
        [
            Problem(
                name,
                fault.message,
                field=checks.format_path(fault.path),
                hint=fault.hint,
                code=fault.code,
            )
            for fault in dict.fromkeys(faults)
        ]
    )


_Made = Workflow | DeclaredVariable | None
"""What a document became; nothing if it is wrong."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A document whose kind is known."""

    file: str
    document: Document
    envelope: Envelope
    programs: set[Program]


class _Loading:
    """The state of one load."""

    def __init__(self, dialect: Dialect | None) -> None:
        self.problems: list[Problem] = []
        self._dialect = dialect
        self._parts: list[_Part] = []
        self._unnamed: list[str] = []
        """What workflows are perhaps called whose names cannot be read."""

    def read(self, file: str, data: bytes) -> None:
        """Take a file's documents."""
        stem = FilePath(file).stem
        try:
            found = documents.parse(data)
        except InvalidYamlError as error:
            self.problems.append(
                Problem(file, str(error), error.line, error.column, code=Code.INVALID_YAML)
            )
            self._unnamed.append(stem)
            return
        if not found:
            self.problems.append(Problem(file, "holds no document", code=Code.UNKNOWN_DOCUMENT))
        for document in found:
            envelope = editions.open_document(document.value, stem=stem, dialect=self._dialect)
            if isinstance(envelope, Fault):
                self._unnamed.append(stem)
                self.problems.append(_problem(file, document, envelope))
            else:
                self._parts.append(_Part(file, document, envelope, set()))

    def finish(self) -> Definitions:
        """Return what the files define."""
        made = [_make(part.envelope, part.programs, {}) for part in self._parts]
        refused = syntax.find_faults(set().union(*(part.programs for part in self._parts)))
        if refused:
            made = [_make(part.envelope, part.programs, refused) for part in self._parts]
        result = Definitions()
        for part, (value, faults) in zip(self._parts, made, strict=True):
            everything = [*part.envelope.faults, *faults, *_add(result, part, value)]
            self.problems += [_problem(part.file, part.document, it) for it in everything]
            result.envelopes.append(part.envelope)
        if self.problems:
            raise InvalidWorkflowFile(in_order(self.problems), [*result.origins, *self._unnamed])
        return result


def _make(
    envelope: Envelope, programs: set[Program], refused: Mapping[Program, str]
) -> tuple[_Made, list[Fault]]:
    context = Context(envelope.choice.dialect, programs, refused)
    value: _Made = None
    faults: list[Fault] = []
    try:
        if envelope.kind is Kind.WORKFLOW:
            value = Workflow.model_validate(_workflow_fields(envelope), context=context)
        else:
            value = DeclaredVariable.model_validate(_variable_fields(envelope), context=context)
    except ValidationError as error:
        faults = [
            Fault(found["loc"], found["ctx"]["text"], found["ctx"]["hint"], found["ctx"]["code"])
            for found in error.errors(include_url=False)
        ]
    if envelope.kind is Kind.WORKFLOW:
        faults += checks.find_faults(envelope.spec)
    return value, [_within(envelope, fault) for fault in faults]


def _within(envelope: Envelope, fault: Fault) -> Fault:
    return dataclasses.replace(fault, path=(*envelope.prefix, *fault.path))


def _workflow_fields(envelope: Envelope) -> dict[str, Any]:
    return {
        **envelope.spec,
        "name": envelope.name,
        "namespace": envelope.namespace,
        "dialect": envelope.choice.dialect,
    }


def _variable_fields(envelope: Envelope) -> dict[str, Any]:
    return {"key": envelope.name, **envelope.spec, "namespace": envelope.namespace}


def _add(result: Definitions, part: _Part, value: _Made) -> list[Fault]:
    """Add what a document defines, and return what speaks against it."""
    if part.envelope.kind is Kind.WORKFLOW:
        return _add_workflow(result, part, value)
    if isinstance(value, DeclaredVariable):
        if any(_place(it) == _place(value) for it in result.variables):
            message = f"the variable {value.key!r} is already declared for its scope"
            return [Fault((), message, code=Code.DUPLICATE_NAME)]
        result.variables.append(value)
    return []


def _add_workflow(result: Definitions, part: _Part, value: _Made) -> list[Fault]:
    name = part.envelope.name
    first = result.origins.get(name)
    if first is not None:
        message = f"the workflow {name!r} is already defined in {first.file}:{first.line}"
        return [Fault((), message, code=Code.DUPLICATE_NAME)]
    result.origins[name] = Origin(
        file=part.file,
        line=part.document.root.line,
        reason=part.envelope.choice.reason,
        document=part.document,
        prefix=part.envelope.prefix,
    )
    if isinstance(value, Workflow):
        result.workflows[name] = value
    return []


def _place(variable: DeclaredVariable) -> tuple[str | None, ...]:
    return (variable.namespace, variable.scope, variable.workflow, variable.key)


def _problem(file: str, document: Document, fault: Fault) -> Problem:
    line, column = document.find_position(fault.path)
    field_ = checks.format_path(fault.path)
    return Problem(file, fault.message, line, column, field_, fault.hint, fault.code)


def in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Return the problems by file, in the order in which the files were named, and line."""
    files = {file: place for place, file in enumerate(dict.fromkeys(it.file for it in problems))}
    unique = dict.fromkeys(problems)
    return sorted(unique, key=lambda it: (files[it.file], it.line, it.column))
