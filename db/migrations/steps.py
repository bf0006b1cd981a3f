"""Which revision an upgrade or a downgrade leads to: checked before anything is printed or changed."""

from typing import ClassVar

from alembic.script import ScriptDirectory

from core.errors import RtsError
from db.migrations.run import config

BASE, HEAD = "base", "head"


class RevisionError(RtsError):
    """There is no such step from the database's revision."""

    code: ClassVar[str] = "unknown_revision"


def upgrade_target(current: str | None, name: str) -> str:
    """Return the revision that an upgrade from `current` to `name` reaches; `current` is None before the first.

    Raises RevisionError for a database of newer code, an unknown name, or a revision below `current`.
    """
    names = revision_names(current)
    target = find_revision(names, names[-1] if name == HEAD else name)
    if names.index(target) < names.index(current or BASE):
        raise RevisionError(
            f"The database is at revision {current}, {target} is older: an upgrade does not go back. "
            f"`rts-agents db downgrade {target} --plan` shows what that would lose. Nothing was changed."
        )
    return target


def downgrade_target(current: str | None, name: str) -> str:
    """Return the revision that a downgrade from `current` to `name` reaches, raising like `upgrade_target`."""
    names = revision_names(current)
    target = find_revision(names, name)
    if names.index(target) > names.index(current or BASE):
        raise RevisionError(
            f"The database is at revision {current or BASE}, {target} is newer: `rts-agents db upgrade {target}` goes "
            "there. Nothing was changed."
        )
    return target


def revision_names(current: str | None) -> list[str]:
    """Return `base` and every revision of this code, the oldest first; raises RevisionError if `current` is not one."""
    scripts = ScriptDirectory.from_config(config("postgresql://"))
    names = [BASE, *(one.revision for one in reversed(list(scripts.walk_revisions())))]
    if current and current not in names:
        raise RevisionError(
            f"The database is at revision {current}, which this version ({names[-1]}) does not know: run the version "
            "of the code that made it, or a newer one. Nothing was changed."
        )
    return names


def find_revision(names: list[str], name: str) -> str:
    """Return `name` if it is one of `names`; raises RevisionError."""
    if name not in names:
        raise RevisionError(f"There is no revision {name}: the revisions are {', '.join(names)}. Nothing was changed.")
    return name
