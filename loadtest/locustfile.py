"""What Locust loads. It needs a plan, which `python -m loadtest.run` makes: start it with `--web` for Locust's page."""

import json
import os
from typing import Any

import gevent
from locust import events
from locust.env import Environment

from loadtest.fleet import agent_user, dashboard_user
from loadtest.state import make_stage

PROGRESS_SECONDS = 1.0
MARK = "@load "  # begins the lines that are for the process that started this one
stage = make_stage()


class LoadAgent(agent_user.AgentUser):
    """A simulated agent."""

    stage = stage


class Dashboard(dashboard_user.DashboardUser):
    """A person who reads charts."""

    stage = stage
    fixed_count = len(stage.plan.viewers)


def send_progress(**values: Any) -> None:
    """Send a message to the parent process."""
    print(MARK + json.dumps(values), flush=True)


def begin(environment: Environment, **_: Any) -> None:
    """Start the clock of the slots, and a watch that ends the run when all is sent and answered."""
    stage.begin()
    gevent.spawn(watch, environment)


def watch(environment: Environment) -> None:
    """Report progress; end the run when every agent is done, or when the time to settle is over."""
    runner = environment.runner
    assert runner
    longest = stage.plan.settings.seconds + stage.plan.settings.drain
    while not (stage.over() and stage.playing == 0) and stage.now() < longest:
        send_progress(**stage.progress())
        gevent.sleep(PROGRESS_SECONDS)
        if runner.state in ("stopped", "stopping"):
            return
    send_progress(**stage.progress())
    if environment.web_ui:
        runner.stop()
    else:
        runner.quit()


def prepare(environment: Environment, **_: Any) -> None:
    """Leave the verdict to the conservation check: a 503 in the statistics is no failure of the run."""
    environment.process_exit_code = 0
    gevent.spawn(end_with_parent)


def end_with_parent() -> None:
    """End when the process that started this one is gone, which would have ended it."""
    parent = os.getppid()
    while os.getppid() == parent:
        gevent.sleep(PROGRESS_SECONDS)
    os._exit(1)


def finish(**_: Any) -> None:
    """Return the counts to the parent process."""
    stage.write_outcome()


hooks: tuple[tuple[Any, Any], ...] = ((events.init, prepare), (events.test_start, begin), (events.quit, finish))
for hook, listener in hooks:
    hook.add_listener(listener)
