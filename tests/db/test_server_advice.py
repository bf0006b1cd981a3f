"""Advice for servers of any size fits into its memory, workers and connections."""

from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from api.server.connections import BESIDE_POOL
from cli.main import app
from db.server_advice import Machine, advise, pool_size
from db.server_faults import ServerState, server_faults

machines = st.builds(
    Machine,
    memory_mib=st.integers(512, 512 * 1024),
    cores=st.integers(1, 128),
    connections=st.integers(20, 1000),
    databases=st.integers(1, 20),
)


@given(machine=machines, processes=st.integers(1, 8))
def test_advice_fits_the_machine_and_has_none_of_our_faults(machine: Machine, processes: int) -> None:
    advice = {one.name: one.value for one in advise(machine)}
    memory = int(advice["shared_buffers"].removesuffix("MB")) + machine.connections * int(
        advice["work_mem"].removesuffix("MB")
    )
    assert memory < machine.memory_mib or advice["work_mem"] == "4MB"
    state = ServerState(
        False, int(advice["timescaledb.max_background_workers"]), machine.databases,
        int(advice["max_worker_processes"]), int(advice["max_parallel_workers"]), True, 170006, "2.29.2", False, 0.0,
    )  # fmt: skip
    assert server_faults(state) == []
    size = pool_size(machine, processes, BESIDE_POOL)
    assert size == 1 or (processes + 1) * (size + BESIDE_POOL) <= machine.connections


def test_the_command_prints_it_for_a_small_box() -> None:
    ended = CliRunner().invoke(app, ["db", "tune", "--memory", "1GB", "--cores", "2", "--connections", "30"])
    assert ended.exit_code == 0, ended.output
    assert "204MB" in ended.output
    assert "RTS_POOL_SIZE=2 for 2 processes" in ended.output
    assert CliRunner().invoke(app, ["db", "tune", "--memory", "much", "--cores", "2"]).exit_code == 2
