"""Every call that binds a named query passes exactly the parameters of its statement; type checking can't see that."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from db.sql import Queries, after_keys
from tests.db.test_sql import FOLDERS, REPOSITORY

ROOMS = (*FOLDERS, "auth", "db", "loadtest")


def bindings() -> Iterator[tuple[str, Queries, ast.Call]]:
    """Yield (file and line, queries, call) of each `QUERIES.bind("name", …)`."""
    for room in ROOMS:
        for file in sorted((REPOSITORY / room).rglob("*.py")):
            yield from bindings_of(file)


def bindings_of(file: Path) -> Iterator[tuple[str, Queries, ast.Call]]:
    text = file.read_text()
    if ".bind(" not in text:
        return
    name = file.relative_to(REPOSITORY).with_suffix("")
    module = import_module(".".join(name.parts))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "bind":
            queries = getattr(module, ast.unparse(node.func.value), None)
            if isinstance(queries, Queries) and isinstance(node.args[0], ast.Constant):
                yield f"{name}:{node.lineno}", queries, node


CALLS = list(bindings())


def test_calls_are_found() -> None:
    assert len(CALLS) > 250


def names_in(call: ast.Call) -> tuple[set[str], bool]:
    """Return the parameters that a call names, with those of `**after_keys(…)`, and whether other mappings follow."""
    named = {keyword.arg for keyword in call.keywords if keyword.arg}
    mappings = [keyword.value for keyword in call.keywords if keyword.arg is None]
    pages = [one for one in mappings if isinstance(one, ast.Call) and ast.unparse(one.func) == after_keys.__name__]
    for page in pages:
        named |= after_keys(None, *(ast.literal_eval(name) for name in page.args[1:])).keys()
    return named, len(mappings) > len(pages)


def test_keys_of_a_page_count_as_named() -> None:
    (call,) = ast.parse('QUERIES.bind("x", one=1, **after_keys(after, "time", "id"))').body
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    assert names_in(call.value) == ({"one", "after_time", "after_id"}, False)


@pytest.mark.parametrize(("queries", "call"), [call[1:] for call in CALLS], ids=[call[0] for call in CALLS])
def test_a_call_binds_the_parameters_of_its_statement(queries: Queries, call: ast.Call) -> None:
    parameters = set(queries.statements[ast.literal_eval(call.args[0])].parameters)
    named, has_mappings = names_in(call)
    assert named <= parameters
    assert named == parameters or has_mappings, "neither all nor a mapping"
