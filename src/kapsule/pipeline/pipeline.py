# SPDX-License-Identifier: GPL-3.0-or-later
"""A pipeline is a named, ordered collection of small steps.

    create = Pipeline[CreateContext]("create", "Create a container")

    @create.step(900, undo=delete_instance)
    async def create_instance(context: CreateContext) -> None:
        \"\"\"Create and start the instance with one Incus request.\"\"\"

Order numbers come in gaps of 100, so that a step can be put between two others. Ties are broken by
name, so that the order in which modules are imported never matters.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from kapsule.errors import KapsuleError

Context = TypeVar("Context")
Action = Callable[[Context], Awaitable[None]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step(Generic[Context]):
    """One concern: a function of the run's context, and what takes it back."""

    order: int
    name: str
    summary: str
    run: Action[Context]
    undo: Action[Context] | None = None


class Pipeline(Generic[Context]):
    """Steps over one kind of context.

    name: one word, for logs and `--describe-pipelines`. summary: one sentence.
    """

    def __init__(self, name: str, summary: str) -> None:
        self.name = name
        self.summary = summary
        self._steps: list[Step[Context]] = []

    def step(
        self, order: int, *, undo: Action[Context] | None = None
    ) -> Callable[[Action[Context]], Action[Context]]:
        """Register the decorated function as a step; its docstring is the step's summary.

        undo: takes the step back. It must cope with a step that failed half-way or did nothing.
        """

        def register(run: Action[Context]) -> Action[Context]:
            name = getattr(run, "__name__", repr(run))
            if any(step.name == name for step in self._steps):
                raise ValueError(f"pipeline {self.name} has a step {name} already")
            summary = (run.__doc__ or "").strip().partition("\n")[0]
            self._steps.append(Step(order, name, summary, run, undo))
            return run

        return register

    @property
    def steps(self) -> tuple[Step[Context], ...]:
        """The steps in the order in which they run."""
        return tuple(sorted(self._steps, key=lambda step: (step.order, step.name)))

    async def run(self, context: Context) -> None:
        """Run every step on the context.

        When one fails or the task is cancelled, undo that step and all before it in reverse, to
        the end even when cancelled again, and raise what stopped the run.
        """
        begun: list[Step[Context]] = []
        try:
            for step in self.steps:
                begun.append(step)
                await step.run(context)
        except BaseException as stopped:
            log.info("%s stopped at %s: %r", self.name, begun[-1].name, stopped)
            await _to_its_end(self._undo(begun, context))
            raise

    async def _undo(self, begun: list[Step[Context]], context: Context) -> None:
        for step in reversed(begun):
            if step.undo is None:
                continue
            try:
                await step.undo(context)
            except KapsuleError as error:
                log.warning("%s: could not undo %s: %s", self.name, step.name, error.message)
            except Exception:
                log.exception("%s: could not undo %s", self.name, step.name)


async def _to_its_end(work: Awaitable[None]) -> None:
    """Await work to its end; a cancellation in the meantime does not reach it and is dropped."""
    task = asyncio.ensure_future(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            continue
