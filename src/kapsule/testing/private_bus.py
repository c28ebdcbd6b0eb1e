# SPDX-License-Identifier: GPL-3.0-or-later
"""A bus of our own, to test both sides of the D-Bus interface without the machine's."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Everybody may do everything, and nothing is started on demand.
_CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


@contextmanager
def private_bus(directory: Path) -> Iterator[str]:
    """Run a dbus-daemon with its socket in the directory; yield its address."""
    config = directory / "bus.conf"
    config.write_text(_CONFIG.format(socket=directory / "bus"))
    command = ["dbus-daemon", "--nofork", f"--config-file={config}", "--print-address"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
