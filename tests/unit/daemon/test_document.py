# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of documentation that is made from the pipelines."""

import subprocess
import sys
from pathlib import Path

from kapsule.daemon.document import to_markdown
from kapsule.daemon.pipelines import PIPELINES

PAGE = Path(__file__).parents[3] / "docs" / "pipelines.md"


def test_every_step_is_in_the_page() -> None:
    """With its number, and the module where it is."""
    page = to_markdown(PIPELINES)
    for pipeline in PIPELINES:
        assert f"\n## {pipeline.name}\n" in page
        for step in pipeline.steps:
            assert f"| {step.order} | `{step.name}` | {step.summary} |" in page
    assert "| yes | `create/steps_instance.py` |" in page


def test_the_page_of_pipelines_is_up_to_date() -> None:
    """docs/pipelines.md is what scripts/generate makes of the steps."""
    command = [sys.executable, "-m", "kapsule.daemon.document"]
    made = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert PAGE.read_text() == made
