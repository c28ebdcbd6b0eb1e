# SPDX-License-Identifier: GPL-3.0-or-later
"""What a caller may ask for, and what comes of it together with the image's own wishes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapsule.errors import InvalidArgument, NotSupported
from kapsule.options.parse import merge_options, parse_options, usable_defaults
from kapsule.options.schema import ARRAY, BOOLEAN, STRING, Option, OptionValue, Schema, Section
from kapsule.options.table import CREATE_OPTIONS

TABLE = Schema(
    (
        Section(
            "all",
            "All",
            (
                Option("gpu", BOOLEAN, True, "GPU", "Pass the GPU through"),
                Option(
                    "drivers",
                    BOOLEAN,
                    False,
                    "Drivers",
                    "Put drivers in",
                    requires=(("gpu", True),),
                ),
                Option("net", STRING, "host", "Net", "Which network", choices=("host", "none")),
                Option("mounts", ARRAY, (), "Mounts", "Share this"),
                Option("later", BOOLEAN, False, "Later", "Not yet", unavailable="it is not done"),
            ),
        ),
    )
)
NOT_TEXTS = st.one_of(st.none(), st.booleans(), st.integers(), st.binary(), st.floats())


def test_values_of_the_right_type_come_back_unchanged() -> None:
    """Each type is taken as it is, and a list becomes a tuple."""
    given_values = {"gpu": False, "net": "none", "mounts": ["/a", "/b"]}
    assert parse_options(TABLE, given_values) == {
        "gpu": False,
        "net": "none",
        "mounts": ("/a", "/b"),
    }


def test_nothing_is_added_to_what_was_set() -> None:
    """Only the keys that the caller set come back."""
    assert parse_options(TABLE, {}) == {}
    assert parse_options(TABLE, {"mounts": ()}) == {"mounts": ()}


def test_unknown_keys_are_all_named() -> None:
    """The text is the one that scripts look for, and the hint lists what there is."""
    with pytest.raises(InvalidArgument, match=r"^Unknown options: a, z$") as caught:
        parse_options(TABLE, {"z": True, "gpu": True, "a": 1})
    assert "mounts" in caught.value.hint


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gpu", 1),
        ("gpu", 0),
        ("gpu", "true"),
        ("gpu", None),
        ("net", True),
        ("net", ["host"]),
        ("mounts", "/a"),
        ("mounts", ["/a", 1]),
        ("mounts", [["/a"]]),
        ("mounts", {"/a": "/a"}),
    ],
)
def test_types_are_strict(key: str, value: object) -> None:
    """Nothing is converted: a number is no boolean, a text is no list."""
    with pytest.raises(InvalidArgument, match=f"^--{key} must be "):
        parse_options(TABLE, {key: value})


@given(st.lists(NOT_TEXTS, min_size=1))
def test_a_list_of_anything_but_texts_is_refused(items: list[object]) -> None:
    """One element of a wrong type is enough."""
    with pytest.raises(InvalidArgument):
        parse_options(TABLE, {"mounts": ["/a", *items]})


def test_a_text_outside_the_choices_is_refused() -> None:
    """The hint says what the choices are."""
    with pytest.raises(InvalidArgument, match="--net cannot be 'wlan'") as caught:
        parse_options(TABLE, {"net": "wlan"})
    assert caught.value.hint == "It can be: host, none"


def test_an_option_of_a_later_version_is_refused_with_the_reason() -> None:
    """The flag and the reason are in the text."""
    with pytest.raises(NotSupported, match="--later is refused: it is not done"):
        parse_options(TABLE, {"later": True})


def test_an_option_of_a_later_version_may_be_set_to_its_default() -> None:
    """Whoever says no to what is not there asks for nothing."""
    assert parse_options(TABLE, {"later": False}) == {"later": False}


@pytest.mark.parametrize("key", ["nvidia_drivers"])
def test_the_real_table_refuses_what_is_not_in_this_version(key: str) -> None:
    """Session mode and the NVIDIA drivers come later."""
    with pytest.raises(NotSupported, match="not in this version yet"):
        parse_options(CREATE_OPTIONS, {key: True})


def test_the_merge_has_every_key() -> None:
    """Without wishes the table's defaults remain."""
    assert merge_options(TABLE, {}, {}) == {
        "gpu": True,
        "drivers": False,
        "net": "host",
        "mounts": (),
        "later": False,
    }


def test_the_user_wins_over_the_image_and_the_image_over_the_table() -> None:
    """Each layer covers the one below it."""
    image = {"net": "none", "mounts": ["~/kde"], "gpu": False}
    merged = merge_options(TABLE, image, {"gpu": True})
    assert (merged["net"], merged["mounts"], merged["gpu"]) == ("none", ("~/kde",), True)


def test_bad_defaults_of_an_image_are_left_out_with_a_warning_each() -> None:
    """They are not the user's fault, so they do not stop a create."""
    image = {"gpu": "yes", "colour": "red", "later": True, "net": "none"}
    usable, warnings = usable_defaults(TABLE, image)
    assert usable == {"net": "none"}
    assert len(warnings) == 3
    assert "'colour'" in warnings[1]
    merged = merge_options(TABLE, image, {})
    assert (merged["gpu"], merged["later"], merged["net"]) == (True, False, "none")


def test_an_option_without_what_it_requires_is_refused() -> None:
    """The text names both flags, and the hint both ways out."""
    with pytest.raises(InvalidArgument, match=r"^--drivers requires --gpu$") as caught:
        merge_options(TABLE, {}, {"drivers": True, "gpu": False})
    assert caught.value.hint == "Add --gpu, or leave out --drivers"


def test_what_an_option_requires_may_come_from_another_layer() -> None:
    """The check looks at the result, not at what was typed."""
    assert merge_options(TABLE, {"drivers": True}, {})["drivers"] is True


def test_a_clash_with_a_default_of_the_image_says_how_to_undo_it() -> None:
    """The user cannot know what the image sets, so the hint tells."""
    with pytest.raises(InvalidArgument, match="--drivers requires --gpu") as caught:
        merge_options(TABLE, {"drivers": True}, {"gpu": False})
    assert caught.value.hint == "Add --gpu, or --no-drivers, because the image sets --drivers"


def test_requirements_of_an_option_at_its_default_do_not_count() -> None:
    """Switching the GPU off alone is fine."""
    assert merge_options(TABLE, {}, {"gpu": False})["gpu"] is False


TRUST = {preset.name: dict(preset.values) for preset in CREATE_OPTIONS.presets}


@pytest.mark.parametrize("level", sorted(TRUST))
def test_a_preset_sets_the_defaults(level: str) -> None:
    """What nobody chose is as the preset says."""
    merged = merge_options(CREATE_OPTIONS, {}, {"trust": level})
    assert {key: merged[key] for key in TRUST[level]} == TRUST[level]
    assert merged["trust"] == level


def test_full_trust_is_the_default() -> None:
    """Whoever says nothing gets what whoever says --trust full gets."""
    assert merge_options(CREATE_OPTIONS, {}, {}) == merge_options(
        CREATE_OPTIONS, {}, {"trust": "full"}
    )


def test_only_the_isolated_levels_are_no_longer_privileged() -> None:
    """A privileged container is no border, whatever is mounted."""
    privileged = {level: values["privileged"] for level, values in TRUST.items()}
    assert privileged == {"full": True, "home": True, "project": False, "sealed": False}


def test_a_dial_beside_a_preset() -> None:
    """Each dial can be turned for itself."""
    merged = merge_options(CREATE_OPTIONS, {}, {"trust": "sealed", "gpu": True, "network": "none"})
    assert (merged["gpu"], merged["network"], merged["desktop"]) == (True, "none", False)


@pytest.mark.parametrize("values", [{}, {"trust": "full"}])
def test_isolation_takes_away_what_it_cannot_have(values: dict[str, OptionValue]) -> None:
    """Without privilege there is no host file system and no host network."""
    merged = merge_options(CREATE_OPTIONS, {}, {"privileged": False, **values})
    assert (merged["host_rootfs"], merged["network"]) == (False, "bridge")
    assert merged["mount_home"] is True


@pytest.mark.parametrize(
    "values",
    [
        {"trust": "sealed", "network": "host"},
        {"trust": "project", "host_rootfs": True},
        {"privileged": False, "host_rootfs": True},
    ],
)
def test_what_takes_privilege_is_refused_where_it_was_asked_for(
    values: dict[str, OptionValue],
) -> None:
    """Nobody gets less than they asked for without hearing of it."""
    with pytest.raises(InvalidArgument, match="requires --privileged"):
        merge_options(CREATE_OPTIONS, {}, values)


@pytest.mark.parametrize("values", [{"privileged": False}, {"trust": "project"}])
@pytest.mark.parametrize("image", [{}, {"x11": True}])
def test_an_isolated_container_has_x11_only_where_the_user_says_so(
    image: dict[str, OptionValue], values: dict[str, OptionValue]
) -> None:
    """By it a program types into windows of the host."""
    assert not merge_options(CREATE_OPTIONS, image, values)["x11"]
    assert merge_options(CREATE_OPTIONS, image, {**values, "x11": True})["x11"]


HOSTILE = {
    "trust": "full",
    "privileged": True,
    "host_rootfs": True,
    "mount_home": True,
    "home": "~/.ssh",
    "custom_mounts": ["~"],
    "network": "host",
    "desktop": True,
    "x11": True,
    "gpu": True,
    "nvidia_drivers": False,
    "session_mode": False,
}


@pytest.mark.parametrize("level", ["project", "sealed"])
def test_an_image_cannot_open_what_the_user_closed(level: str) -> None:
    """Of an image's own defaults nothing is left where the user chose a level of trust."""
    merged = merge_options(CREATE_OPTIONS, HOSTILE, {"trust": level})
    assert merged == merge_options(CREATE_OPTIONS, {}, {"trust": level})


def test_an_image_may_ask_for_less_trust() -> None:
    """What an image says of itself counts where the user says nothing."""
    merged = merge_options(CREATE_OPTIONS, {"trust": "sealed", "gpu": True}, {})
    assert (merged["privileged"], merged["gpu"], merged["network"]) == (False, True, "bridge")
    assert merge_options(CREATE_OPTIONS, {"trust": "sealed"}, {"trust": "full"})["privileged"]
