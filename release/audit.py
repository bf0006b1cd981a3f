"""Looks up known vulnerabilities of the components in the OSV database; prints one line if it cannot be reached.

Ends with 1 when a component has a known vulnerability, with 0 otherwise: a check without a network must not fail.
"""

import os
import sys
from typing import Any

import httpx

from release.components import Component, components
from release.sbom import purl_of

SOURCE = "https://api.osv.dev"
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 30.0


class SourceAwayError(Exception):
    """The source of advisories cannot be reached, or answers something else."""


def vulnerabilities(scanned: list[Component], source: str) -> dict[str, list[str]]:
    """Return the ids of known vulnerabilities by package URL; one request. Raises SourceAwayError."""
    purls = [str(purl_of(one)) for one in scanned]
    body = {"queries": [{"package": {"purl": purl}} for purl in purls]}
    try:
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        answer = httpx.post(f"{source}/v1/querybatch", json=body, timeout=timeout)
        results: list[dict[str, Any]] = answer.raise_for_status().json()["results"]
        vulnerable = {
            purl: [one["id"] for one in result.get("vulns", ())] for purl, result in zip(purls, results, strict=True)
        }
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceAwayError(f"{type(error).__name__}: {error}") from None
    return {purl: ids for purl, ids in vulnerable.items() if ids}


def main(source: str) -> int:
    """Print known vulnerabilities; returns the exit status."""
    all_components = components()
    try:
        vulnerable = vulnerabilities(all_components, source)
    except SourceAwayError as error:
        print(f"Dependency audit left out: no source of advisories can be reached ({error}).")
        return 0
    for purl, ids in vulnerable.items():
        print(f"{purl}: {', '.join(ids)}")
    print(f"Dependency audit: {len(vulnerable)} of {len(all_components)} components have known vulnerabilities.")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main(os.environ.get("AUDIT_SOURCE") or SOURCE))
