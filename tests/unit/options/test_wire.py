# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms in which the table and its values travel."""

import json
from typing import Any

from dbus_fast import Variant

from kapsule.options.parse import parse_options
from kapsule.options.schema import OptionValue
from kapsule.options.table import CREATE_OPTIONS
from kapsule.options.wire import from_variants, to_json, to_variants

# What clients of the existing daemon read: section -> option -> (type, default, further keys).
BINDING: dict[str, dict[str, tuple[str, object, dict[str, object]]]] = {
    "trust": {
        "trust": ("string", "full", {"choices": ["full", "home", "project", "sealed"]}),
        "privileged": ("boolean", True, {}),
        "network": (
            "string",
            "host",
            {
                "choices": ["host", "bridge", "none"],
                "requires_for": {"host": {"privileged": True}},
            },
        ),
        "desktop": ("boolean", True, {}),
        "x11": ("boolean", True, {"requires": {"desktop": True}}),
    },
    "dbus": {"session_mode": ("boolean", False, {})},
    "mounts": {
        "host_rootfs": ("boolean", True, {"requires": {"privileged": True}}),
        "mount_home": ("boolean", True, {}),
        "home": ("string", "", {"format": "directory-path"}),
        "custom_mounts": (
            "array",
            [],
            {"items": {"type": "string", "format": "directory-path"}},
        ),
    },
    "gpu": {
        "gpu": ("boolean", True, {}),
        "nvidia_drivers": ("boolean", False, {"requires": {"gpu": True}}),
    },
}


def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(to_json(CREATE_OPTIONS))
    return document


def test_the_json_holds_all_that_existing_clients_read() -> None:
    """Format version 1: sections in order, options in order, no field missing."""
    document = _document()
    assert document["version"] == 1
    assert [section["id"] for section in document["sections"]] == list(BINDING)
    for section in document["sections"]:
        assert isinstance(section["title"], str)
        assert [option["key"] for option in section["options"]] == list(BINDING[section["id"]])


def test_each_descriptor_has_type_default_and_texts() -> None:
    """Types and defaults are JSON's own; titles and descriptions are texts."""
    for section in _document()["sections"]:
        for option in section["options"]:
            kind, default, extra = BINDING[section["id"]][option["key"]]
            assert (option["type"], option["default"]) == (kind, default)
            assert {key: option[key] for key in extra} == extra
            assert option["title"]
            assert option["description"]


def test_the_json_has_the_presets() -> None:
    """A form can show what a level of trust sets before anything is created."""
    presets = _document()["presets"]
    assert presets["option"] == "trust"
    assert list(presets["values"]) == ["full", "home", "project", "sealed"]
    assert presets["values"]["sealed"]["privileged"] is False


def test_the_json_says_which_options_are_refused() -> None:
    """A form can grey them out; they are not hidden."""
    options = {
        option["key"]: option
        for section in _document()["sections"]
        for option in section["options"]
    }
    assert "not in this version" in options["nvidia_drivers"]["unavailable"]
    assert "unavailable" not in options["gpu"]


def test_the_json_is_compact() -> None:
    """There is no white space between tokens."""
    text = to_json(CREATE_OPTIONS)
    assert text == json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)


def test_variants_are_peeled_at_every_depth() -> None:
    """Callers from Qt wrap once more and send a list of variants for a list of strings."""
    received: dict[str, object] = {
        "gpu": Variant("v", Variant("b", False)),
        "mounts": Variant("av", [Variant("s", "/a"), Variant("v", Variant("s", "/b"))]),
        "plain": True,
    }
    assert from_variants(received) == {"gpu": False, "mounts": ["/a", "/b"], "plain": True}


def test_a_number_in_a_variant_stays_a_number() -> None:
    """Peeling converts nothing, so that the strict types still hold."""
    assert from_variants({"gpu": Variant("u", 1)}) == {"gpu": 1}


def test_values_become_typed_variants() -> None:
    """Each Python type has one signature."""
    assert to_variants({"a": True, "b": "x", "c": ("/a",), "d": ()}) == {
        "a": ("b", True),
        "b": ("s", "x"),
        "c": ("as", ["/a"]),
        "d": ("as", []),
    }


def test_what_is_sent_is_what_is_parsed() -> None:
    """Values survive the way through the bus."""
    values: dict[str, OptionValue] = {"gpu": False, "custom_mounts": ("~/kde", "/srv")}
    received = {key: Variant(*pair) for key, pair in to_variants(values).items()}
    assert parse_options(CREATE_OPTIONS, from_variants(received)) == values
