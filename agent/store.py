"""The agent's data until the server has answered: samples, begun commands and results, in one SQLite file.

Each change is committed before the call returns, so that neither `kill -9` nor a power failure loses a sample or runs a
command twice. While the file cannot be written (a full disk), the data is in memory, and the agent goes on.
"""

import json
from pathlib import Path
from typing import Any

from agent.database import AgentDatabase

MAX_SAMPLES = 100_000  # three weeks at one sample in 20 seconds, about 50 MB
MAX_COMMANDS = 1_000  # ids of begun commands: a command that is handed out twice runs once


class AgentStore:
    """The agent's queue and journal; used by one thread."""

    def __init__(self, file: Path | None = None) -> None:
        """Open or create `file` (mode 600); None keeps everything in memory, for one run.

        Raises StoreInUseError if another agent has the file open.
        """
        self._database = AgentDatabase(file)

    def close(self) -> None:
        """Close the SQLite file; nothing can be added afterwards."""
        self._database.close()

    def add_sample(self, sample: dict[str, Any]) -> None:
        """Keep a sample; beyond MAX_SAMPLES the oldest one is dropped."""
        self._database.try_file_again()
        row = self._database.change("INSERT INTO samples (body) VALUES (?)", json.dumps(sample))
        assert row.lastrowid is not None
        self._database.change("DELETE FROM samples WHERE id <= ?", row.lastrowid - MAX_SAMPLES)

    def oldest_samples(self, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """Return at most `limit` samples with their ids, oldest first."""
        rows = self._database.read("SELECT id, body FROM samples ORDER BY id LIMIT ?", limit)
        return [(row_id, json.loads(body)) for row_id, body in rows]

    def drop_samples(self, up_to_id: int) -> None:
        """Forget the samples that the server has, up to and with this id."""
        self._database.change("DELETE FROM samples WHERE id <= ?", up_to_id)

    def count_samples(self) -> int:
        """Return the number of stored samples."""
        ((count,),) = self._database.read("SELECT count(*) FROM samples")
        return int(count)

    def begin_command(self, command_id: str, started_at: str) -> bool:
        """Note that a command begins; False when it has begun before, perhaps in an earlier run."""
        statement = "INSERT OR IGNORE INTO commands (command_id, started_at) VALUES (?, ?)"
        return self._database.change(statement, command_id, started_at).rowcount == 1

    def has_begun(self, command_id: str) -> bool:
        """Return whether `begin_command` was called for this command, also in an earlier run."""
        return bool(self._database.read("SELECT 1 FROM commands WHERE command_id = ?", command_id))

    def finish_command(self, command_id: str, result: dict[str, Any]) -> None:
        """Keep the result of a command until it is delivered."""
        self._database.change("UPDATE commands SET result = ? WHERE command_id = ?", json.dumps(result), command_id)

    def interrupted_commands(self) -> list[tuple[str, str]]:
        """Return (command_id, started_at) of commands that began and have no result: the agent stopped meanwhile."""
        rows = self._database.read("SELECT command_id, started_at FROM commands WHERE result IS NULL ORDER BY id")
        return [(command_id, started_at) for command_id, started_at in rows]

    def next_result(self) -> tuple[str, dict[str, Any]] | None:
        """Return the oldest result that the server does not have; None when it has all."""
        rows = self._database.read(
            "SELECT command_id, result FROM commands WHERE result IS NOT NULL AND NOT delivered ORDER BY id LIMIT 1"
        )
        return (rows[0][0], json.loads(rows[0][1])) if rows else None

    def drop_result(self, command_id: str) -> None:
        """Record that the server has a result, and delete the oldest ids beyond MAX_COMMANDS."""
        self._database.change("UPDATE commands SET delivered = 1, result = '{}' WHERE command_id = ?", command_id)
        self._database.change(
            "DELETE FROM commands WHERE delivered AND id <= (SELECT max(id) FROM commands) - ?", MAX_COMMANDS
        )
