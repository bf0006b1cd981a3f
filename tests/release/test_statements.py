"""The bill of materials, the licences page and the audit say what the lock files hold."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from release import audit
from release.components import ROOT, Component, components, locked, read_licence
from release.licences import PAGE, render_page
from release.sbom import bill

FOUND = components()
SCHEMAS = "http://cyclonedx.org/schema/"


@pytest.fixture(scope="module")
def materials() -> dict[str, Any]:
    materials: dict[str, Any] = json.loads(bill(FOUND))
    return materials


def test_the_bill_of_materials_fits_the_schema_of_cyclonedx(materials: dict[str, Any]) -> None:
    folder = resources.files("cyclonedx.schema") / "_res"
    schemas = {
        name: json.loads((folder / f"{name}.SNAPSHOT.schema.json").read_text())
        for name in ("bom-1.6", "spdx", "jsf-0.82")
    }
    registry = jsonschema_rs.Registry(
        [(f"{SCHEMAS}{name}.SNAPSHOT.schema.json", schema) for name, schema in schemas.items()]
    )
    validator = jsonschema_rs.Draft7Validator(schemas["bom-1.6"], registry=registry)
    assert [error.message for error in validator.iter_errors(materials)] == []
    assert not validator.is_valid(materials | {"specVersion": 1})


def test_the_bill_of_materials_has_each_locked_package_with_version_licence_and_hashes(
    materials: dict[str, Any],
) -> None:
    python = {part["name"]: part for part in materials["components"] if part["purl"].startswith("pkg:pypi/")}
    running = locked(ROOT / "requirements.lock")
    assert {name: part["version"] for name, part in python.items()} == {n: v for n, (v, _) in running.items()}
    for name, part in python.items():
        (files,) = part["externalReferences"]
        assert {one["content"] for one in files["hashes"]} == set(running[name][1])
        assert part["licenses"]


def test_the_bill_of_materials_has_what_the_pages_and_the_embedded_database_bring(materials: dict[str, Any]) -> None:
    npm = {part["purl"] for part in materials["components"] if part["purl"].startswith("pkg:npm/")}
    assert any(purl.startswith("pkg:npm/preact@") for purl in npm)
    assert any("pglite" in purl for purl in npm)
    assert not any("vite" in purl or "typescript" in purl for purl in npm)


def test_the_bill_of_materials_says_what_needs_what(materials: dict[str, Any]) -> None:
    needs = {one["ref"].partition("@")[0]: one.get("dependsOn", []) for one in materials["dependencies"]}
    assert any(ref.startswith("pkg:pypi/starlette@") for ref in needs["pkg:pypi/fastapi"])
    assert len(needs["rts-agent-monitoring"]) == len(FOUND)


def test_the_page_of_licences_is_written_anew() -> None:
    assert PAGE.read_text() == render_page(FOUND), "run make licences"


def test_no_licence_asks_for_more_than_the_notice_says() -> None:
    copyleft = {one.name for one in FOUND if "GPL" in one.licence}
    assert copyleft == {"psycopg", "psycopg-binary"}
    unknown = {one.licence for one in FOUND if one.licence.upper() in ("", "UNKNOWN", "PROPRIETARY")}
    assert not unknown


def test_a_licence_that_nobody_says_is_an_error() -> None:
    class About(dict[str, Any]):
        def get_all(self, name: str) -> list[str]:
            return []

    with pytest.raises(Exception, match="does not declare its licence"):
        read_licence(About(Name="odd", License="Copyright (c)\nAll rights reserved"))


class Advisories(BaseHTTPRequestHandler):
    """A source of advisories: one package has one."""

    asked: list[dict[str, Any]]
    answer: bytes | None = None

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).asked.append(body)
        results = [
            {"vulns": [{"id": "GHSA-x", "modified": "2026-01-01T00:00:00Z"}]} if "idna@" in q["package"]["purl"] else {}
            for q in body["queries"]
        ]
        content = self.answer or json.dumps({"results": results}).encode()
        self.send_response(200 if self.path == "/v1/querybatch" else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Keep the output of the tests clean."""


@pytest.fixture
def source() -> Iterator[str]:
    """The address of a source of advisories on this machine."""
    Advisories.asked, Advisories.answer = [], None
    server = ThreadingHTTPServer(("127.0.0.1", 0), Advisories)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_known_vulnerability_fails_the_audit_and_is_named(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main(source) == 1
    assert "pkg:pypi/idna@" in (said := capsys.readouterr().out)
    assert "GHSA-x" in said
    ((asked,),) = [Advisories.asked]
    assert len(asked["queries"]) == len(FOUND)


def test_components_without_one_pass_the_audit(source: str) -> None:
    others: list[Component] = [one for one in FOUND if one.name != "idna"]
    assert audit.vulnerabilities(others, source) == {}


@pytest.mark.parametrize("answer", [b"<html>", b"{}", b'{"results": []}', b'{"results": null}', b"[]"])
def test_a_source_that_answers_something_else_is_a_notice(
    source: str, answer: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    Advisories.answer = answer
    assert audit.main(source) == 0
    assert "left out" in capsys.readouterr().out


def test_a_source_that_is_away_is_a_notice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main("http://127.0.0.1:9") == 0
    assert "left out" in capsys.readouterr().out
