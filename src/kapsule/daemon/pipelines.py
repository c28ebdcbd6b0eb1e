# SPDX-License-Identifier: GPL-3.0-or-later
"""All pipelines as a table of contents."""

from collections.abc import Iterable
from typing import Any

from kapsule.containers.delete import DELETE
from kapsule.containers.start import START
from kapsule.containers.stop import STOP
from kapsule.create.pipeline import CREATE
from kapsule.enter import ENTER
from kapsule.mounts import MOUNT, UNMOUNT
from kapsule.ownership import CHOWN
from kapsule.pipeline.pipeline import Pipeline
from kapsule.trust import CHANGE_TRUST
from kapsule.user_setup import USER_SETUP

PIPELINES: tuple[Pipeline[Any], ...] = (
    *(CREATE, USER_SETUP, ENTER),
    *(START, STOP, DELETE),
    *(MOUNT, UNMOUNT, CHANGE_TRUST, CHOWN),
)


def describe_pipelines(pipelines: Iterable[Pipeline[Any]] = PIPELINES) -> str:
    """Return every pipeline with its steps, in the order in which they run."""
    return "\n\n".join("\n".join(_lines(pipeline)) for pipeline in pipelines)


def _lines(pipeline: Pipeline[Any]) -> Iterable[str]:
    yield f"{pipeline.name}: {pipeline.summary}"
    width = max((len(step.name) for step in pipeline.steps), default=0)
    for step in pipeline.steps:
        undo = " (undone on failure)" if step.undo else ""
        yield f"  {step.order:5}  {step.name:{width}}  {step.summary}{undo}"
