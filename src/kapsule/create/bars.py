# SPDX-License-Identifier: GPL-3.0-or-later
"""Incus's progress as ours."""

from kapsule.incus.operations import OnProgress, OperationProgress
from kapsule.pipeline.progress import Bar


def show_in(bar: Bar) -> OnProgress:
    """Return what shows an Incus operation's progress in a bar whose total is 100."""

    def show(progress: OperationProgress) -> None:
        if progress.percent is not None:
            bar.update(progress.percent)
        if progress.text:
            bar.text(progress.text)

    return show
