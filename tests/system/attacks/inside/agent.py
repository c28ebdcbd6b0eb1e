# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out requests, one a line, each in a process of its own that leaves nothing mounted.

A request is a JSON object: "call" (module.function of this package), "arguments", "uid" and
"private" (whether it has a mount namespace of its own). The answer has "value", "refused" with the
system's reason, or "bug".
"""

import importlib
import json
import os
import traceback
from typing import Any, NoReturn

from . import calls


def main() -> None:
    """Serve until there is nothing more to read."""
    channel = os.fdopen(os.dup(1), "w")
    requests = os.fdopen(os.dup(0), "r")
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    channel.write("ready\n")
    channel.flush()
    for line in requests:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _be_the_child(json.loads(line), writer)
        os.close(writer)
        with os.fdopen(reader) as answers:
            answer = answers.read()
        os.waitpid(child, 0)
        channel.write((answer or json.dumps({"refused": "it was killed"})) + "\n")
        channel.flush()


def _be_the_child(request: dict[str, Any], writer: int) -> NoReturn:
    try:
        answer = _answer(request)
    except BaseException:
        answer = {"bug": traceback.format_exc()}
    try:
        os.write(writer, json.dumps(answer).encode())
    finally:
        os._exit(0)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    module, name = request["call"].split(".")
    function = getattr(importlib.import_module("." + module, __package__), name)
    try:
        if request["private"]:
            calls.private_mounts()
        if request["uid"]:
            os.setgroups([])
            os.setresgid(request["uid"], request["uid"], request["uid"])
            os.setresuid(request["uid"], request["uid"], request["uid"])
        return {"value": function(*request["arguments"])}
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return {"refused": f"{error.strerror or error}{where}"}


if __name__ == "__main__":
    main()
