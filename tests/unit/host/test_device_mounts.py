# SPDX-License-Identifier: GPL-3.0-or-later
import os
from pathlib import Path

import pytest

from kapsule.host.device_mounts import keep_apart


async def test_incus_was_never_started(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """There is nothing to keep apart yet, and that is no reason to complain."""
    await keep_apart(str(tmp_path))
    assert os.listdir(tmp_path) == []
    assert caplog.messages == []


async def test_it_cannot_be_done(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """That is said, and nothing is raised: one container works all the same."""
    tmp_path.joinpath("devices").symlink_to("devices")
    await keep_apart(str(tmp_path))
    assert "Too many levels of symbolic links" in caplog.text
