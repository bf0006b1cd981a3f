"""The attackers: in a thread with low priority, because in the field their CPU is not the server's machine's."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from loadtest.attacks.connections import hold_bodies, hold_heads
from loadtest.attacks.floods import flood
from loadtest.attacks.hooks import Hooks, make_rule
from loadtest.attacks.target import AttackTarget
from loadtest.plan import POISONED, LoadPlan

NICE = 10
BESIDE, ALONE = 1, 2  # tenants whose alerts come during the attack, and before; POISONED has the slow webhook


class Attackers:
    """Begin when the others' time alone is over, and end with the last slot; `follow` gets the run's clock."""

    def __init__(self, plan: LoadPlan, *, with_hooks: bool) -> None:
        """`with_hooks`: the server may call webhooks on this machine."""
        self._plan, self._hooks = plan, Hooks() if with_hooks else None
        self.target = AttackTarget(plan.host, plan.attackers)
        self.state = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True, name="attackers")
        self._tasks: list[asyncio.Task[None]] = []
        self._thread.start()
        self._call(self._prepare())

    def follow(self, elapsed: float) -> None:
        """Begin or end the attacks when their time has come; `elapsed` is seconds since the first slot."""
        if not self.state and elapsed >= self._plan.settings.alone_seconds:
            self.state = "under attack"
            self._call(self._begin())
        elif self.state == "under attack" and elapsed >= self._plan.settings.seconds:
            self.state = "the attack is over"
            self._call(self._end())

    def close(self) -> dict[str, Any]:
        """End everything and return what came of it: counts of answers, and the address of the prompt webhook."""
        self._call(self._end())
        if self._hooks:
            self._loop.call_soon_threadsafe(self._hooks.close)
        self._call(cancel_others())  # answers of the slow webhook, which never end
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        return {"answers": dict(sorted(self.target.seen.items())), "prompt": self._hooks.prompt if self._hooks else ""}

    def _run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        self._loop.run_forever()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _prepare(self) -> None:
        if self._hooks:
            await self._hooks.start()
            await make_rule(self._plan, ALONE, f"{self._hooks.prompt}/alone")

    async def _begin(self) -> None:
        self._tasks = [asyncio.create_task(attack(self.target)) for attack in (hold_heads, hold_bodies, flood)]
        if self._hooks:
            await make_rule(self._plan, POISONED, f"{self._hooks.slow}/slow")
            await make_rule(self._plan, BESIDE, f"{self._hooks.prompt}/beside")

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._tasks = []


async def cancel_others() -> None:
    """End every other task of this loop."""
    other_tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in other_tasks:
        task.cancel()
    await asyncio.gather(*other_tasks, return_exceptions=True)
