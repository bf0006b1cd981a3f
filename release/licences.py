"""Components → docs/licences.md."""

from pathlib import Path

from release.components import ROOT, Component, components

PAGE = ROOT / "docs" / "licences.md"
HEAD = """# Licences of what a release runs

Written by `make licences` from the lock files and the metadata of the packages; a test compares.
[NOTICE.md](../NOTICE.md) explains the consequences.

"""
ORIGINS = {"pypi": "Python packages", "npm": "Scripts of the pages and the embedded database"}


def render_page(listed: list[Component]) -> str:
    """Return the page: a table for each origin."""
    tables = []
    for ecosystem, title in ORIGINS.items():
        rows = [f"| {one.name} | {one.version} | {one.licence} |" for one in listed if one.ecosystem == ecosystem]
        tables.append("\n".join([f"## {title}\n", "| package | version | licence |", "|---|---|---|", *rows]))
    return HEAD + "\n\n".join(tables) + "\n"


def main(path: Path = PAGE) -> None:
    """Write the page."""
    path.write_text(render_page(components()))


if __name__ == "__main__":
    main()
