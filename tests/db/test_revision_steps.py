"""Which revision `db upgrade` and `db downgrade` lead to; a wrong name is a sentence before anything is printed."""

import pytest

from db.migrations.run import head
from db.migrations.steps import RevisionError, downgrade_target, upgrade_target


def test_steps_that_exist() -> None:
    assert upgrade_target(None, "head") == upgrade_target(head(), "head") == head()
    assert upgrade_target("0021", "0025") == "0025"
    assert downgrade_target("0025", "0021") == "0021"
    assert downgrade_target("0025", "0025") == "0025"
    assert downgrade_target("0025", "base") == downgrade_target(None, "base") == "base"


@pytest.mark.parametrize("name", ["9999", "0030", "foo", "-1"])
def test_a_revision_that_does_not_exist_is_answered_with_all_names(name: str) -> None:
    for target in (upgrade_target, downgrade_target):
        with pytest.raises(RevisionError, match=f"no revision {name}: the revisions are base, 0001, .*{head()}"):
            target("0025", name)


def test_an_upgrade_to_an_older_revision_is_not_reported_as_done() -> None:
    with pytest.raises(RevisionError, match="rts-agents db downgrade 0021 --plan"):
        upgrade_target("0025", "0021")


def test_a_downgrade_to_a_newer_revision_is_refused() -> None:
    with pytest.raises(RevisionError, match="rts-agents db upgrade 0025"):
        downgrade_target("0021", "0025")
    with pytest.raises(RevisionError, match="at revision base"):
        downgrade_target(None, "0021")


def test_older_code_says_that_the_database_is_of_a_newer_version() -> None:
    for target in (upgrade_target, downgrade_target):
        with pytest.raises(RevisionError, match=r"at revision 9999, which this version .* does not know"):
            target("9999", "0021")
