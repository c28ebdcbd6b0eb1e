# SPDX-License-Identifier: GPL-3.0-or-later
"""The pipelines as a page of documentation: docs/pipelines.md."""

from collections.abc import Iterable
from typing import Any

from kapsule.daemon.pipelines import PIPELINES
from kapsule.pipeline.pipeline import Pipeline, Step

_HEAD = """\
<!-- SPDX-License-Identifier: CC0-1.0 -->
<!-- Made from the steps themselves by scripts/generate: edit their docstrings. -->
# Pipelines

What the daemon does, step by step, in the order in which the steps run. `kapsule-daemon
--describe-pipelines` prints the same. When a step fails, it and the steps before it are undone in
reverse, as far as they have something to undo. Modules are below `src/kapsule/`.
"""

_COLUMNS = "\n| order | step | what it does | undo | module |\n|---|---|---|---|---|\n"


def to_markdown(pipelines: Iterable[Pipeline[Any]]) -> str:
    """Return the page."""
    parts = [_HEAD]
    for pipeline in pipelines:
        parts.append(f"\n## {pipeline.name}\n\n{pipeline.summary}.\n{_COLUMNS}")
        parts += [_row(step) for step in pipeline.steps]
    return "".join(parts)


def _row(step: Step[Any]) -> str:
    module = step.run.__module__.removeprefix("kapsule.").replace(".", "/")
    undo = "yes" if step.undo else ""
    return f"| {step.order} | `{step.name}` | {step.summary} | {undo} | `{module}.py` |\n"


if __name__ == "__main__":
    print(to_markdown(PIPELINES), end="")
