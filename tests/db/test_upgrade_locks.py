"""An upgrade beside the platform's own transactions: nobody waits long for it, and it says what it waits for."""

import threading
import time

import psycopg
import pytest

from db.migrations.run import MigrationBlockedError, MigrationFailedError, downgrade, head, upgrade
from tests.databases import REAL_SERVER, fresh_database
from tests.db.scheduler import stop_scheduler
from tests.db.test_migrations import ask, inventory, run
from tests.platform.kinds import build_platform

pytestmark = pytest.mark.skipif(not REAL_SERVER, reason="on the embedded server, transactions take turns")


def test_an_upgrade_waits_for_locks_in_short_turns(tmp_path: object) -> None:
    with fresh_database(tmp_path) as url:  # type: ignore[arg-type]
        stop_scheduler(url)
        build_platform(url, "platform")
        said: list[str] = []
        holding = psycopg.connect(url, application_name="portal")
        holding.execute("UPDATE businesses SET business_name = 'Renamed'")
        upgrading = threading.Thread(target=upgrade, args=(url,), kwargs={"say": said.append})
        upgrading.start()
        while len(said) < 2:
            assert upgrading.is_alive()
            time.sleep(0.1)
        began = time.monotonic()
        with psycopg.connect(url, autocommit=True) as writing:  # another write of the platform's, meanwhile
            writing.execute("INSERT INTO businesses (business_name) VALUES ('Meanwhile')")
        assert time.monotonic() - began < 5  # bounded by the time-out of one try, on a busy machine
        holding.rollback()
        holding.close()
        upgrading.join(timeout=120)
        assert ask(url, "SELECT version_num FROM rts_agents_alembic_version") == [(head(),)]
        assert "businesses" in said[0]
        assert "portal" in said[0]


def test_after_its_longest_wait_it_ends_with_one_sentence_and_nothing_half_done(tmp_path: object) -> None:
    with fresh_database(tmp_path) as url:  # type: ignore[arg-type]
        stop_scheduler(url)
        build_platform(url, "platform")
        before = inventory(url)
        with psycopg.connect(url) as holding:
            holding.execute("UPDATE businesses SET business_name = 'Renamed'")
            with pytest.raises(MigrationBlockedError, match="businesses"):
                upgrade(url, wait=0)
        assert inventory(url) == before


def test_a_role_without_rights_and_an_unknown_revision_are_sentences(tmp_path: object) -> None:
    with fresh_database(tmp_path) as url:  # type: ignore[arg-type]
        stop_scheduler(url)
        with pytest.raises(MigrationFailedError, match="9999"):
            upgrade(url, "9999")
        run(
            url, "CREATE TABLE agent_baselines (id integer); CREATE TABLE rts_agents_alembic_version (version_num text)"
        )
        run(url, "INSERT INTO rts_agents_alembic_version VALUES ('0002')")
        with pytest.raises(MigrationFailedError, match="rolled back"):
            upgrade(url)
        with pytest.raises(MigrationFailedError):
            downgrade(url)
