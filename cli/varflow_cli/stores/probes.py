"""`varflow store probe`: the checks of a store and what they came to, for people and programs."""

from __future__ import annotations

import orjson

from varflow.variables.probe import probing
from varflow.variables.probe.probing import Finding, Report
from varflow.variables.probe.promises import Promise
from varflow_cli.console import tables
from varflow_cli.stores import storing, trusting


async def probe(url: str) -> Report:
    """Probe a store of any kind, and have the next commands know what was found."""
    async with storing.open_variables(url) as variables:
        store = variables.store
        report = await probing.probe(store)
        if store.needs_probe:
            trusting.remember(store.url, report)
        return report


def as_text(report: Report) -> str:
    """Return a line for each check. PURE."""
    rows = (
        (it.check.name, "lies" if it.fault else "ok", it.fault or it.check.what)
        for it in report.findings
    )
    return tables.align([("CHECK", "RESULT", "WHAT"), *rows])


def as_json(report: Report, *, url: str) -> str:
    """Return one object, on one line. PURE."""
    verdict = report.verdict
    found = {
        "store": url,
        "promises": {promise.value: verdict.keeps(promise) for promise in Promise},
        "checks": [_object(finding) for finding in report.findings],
        "seconds": round(report.seconds, 3),
    }
    return orjson.dumps(found).decode() + "\n"


def summary(report: Report, *, url: str) -> str:
    """Return the whole in one line. PURE."""
    took = f"{report.seconds:.1f} s"
    if report.verdict:
        return f"store {url} keeps all promises ({took})"
    return f"store {url} does not keep: {probing.describe(report.verdict)} ({took})"


def _object(finding: Finding) -> dict[str, object]:
    check = finding.check
    return {
        "name": check.name,
        "what": check.what,
        "result": "lies" if finding.fault else "ok",
        "fault": finding.fault or None,
        "promises": [promise for promise in Promise if promise in check.off],
    }
