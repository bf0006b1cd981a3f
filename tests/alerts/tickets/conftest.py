"""The scenarios of tickets run on each kind of platform."""

import pytest

from tests.platform.kinds import KINDS

OF_OUR_TABLES = {"test_invariants", "test_on_the_platform"}  # long, or with a database of its own


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of this folder on the three kinds of database."""
    module = metafunc.module.__name__.rpartition(".")[2]
    if "database" in metafunc.fixturenames and module not in OF_OUR_TABLES:
        metafunc.parametrize("database", KINDS, indirect=True, scope="session")
