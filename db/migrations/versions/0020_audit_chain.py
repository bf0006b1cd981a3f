"""An audit trail that only grows, a chain of hashes over it, and indexes for its filters.

Locks `agent_audit` for the time of its four indexes, about a second for a million rows; uploads don't touch it.
"""

from pathlib import Path

from db.migrations.statements import run, run_file

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

FILE = Path(__file__).parents[1] / "sql" / "audit_chain.sql"


def upgrade() -> None:
    """Run the file."""
    run_file(FILE)


def downgrade() -> None:
    """Take the chain away; rows of refused calls by unknown callers become the system's."""
    run("DROP TRIGGER agent_audit_append_only ON agent_audit")
    run("DROP FUNCTION agent_audit_seal, agent_audit_forget, agent_audit_permit, agent_audit_link, agent_audit_digest")
    run("DROP TABLE agent_audit_seals")
    run("DROP FUNCTION agent_audit_refuse_change")
    run("DROP INDEX agent_audit_by_actor, agent_audit_by_action, agent_audit_by_business, agent_audit_by_time")
    run("UPDATE agent_audit SET actor_kind = 'system' WHERE actor_kind = 'unknown'")
    run("ALTER TABLE agent_audit DROP CONSTRAINT agent_audit_actor_kind_check")
    run(
        "ALTER TABLE agent_audit ADD CONSTRAINT agent_audit_actor_kind_check "
        "CHECK (actor_kind IN ('employee', 'user', 'agent', 'system'))"
    )
