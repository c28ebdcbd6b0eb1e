# SPDX-License-Identifier: GPL-3.0-or-later
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from kapsule.daemon.actions import Action, creation_action

POLICY = Path(__file__).parents[3] / "data" / "polkit" / "org.kde.kapsule.policy"

ADMIN = "auth_admin_keep"
# Action -> who may do it by default: any, inactive, active.
DEFAULTS = {
    Action.CREATE_PRIVILEGED: (ADMIN, ADMIN, ADMIN),
    Action.CREATE_ISOLATED: (ADMIN, ADMIN, "yes"),
    Action.MANAGE_OWN: ("yes", "yes", "yes"),
    Action.MANAGE_OTHERS: (ADMIN, ADMIN, ADMIN),
    Action.MANAGE_IMAGES: (ADMIN, ADMIN, ADMIN),
    Action.IMPORT_IMAGE: (ADMIN, ADMIN, ADMIN),
    Action.CHANGE_TRUST: (ADMIN, ADMIN, ADMIN),
}


@pytest.mark.parametrize(
    ("options", "action"),
    [
        ({}, Action.CREATE_PRIVILEGED),
        ({"gpu": False}, Action.CREATE_PRIVILEGED),
        ({"trust": "full"}, Action.CREATE_PRIVILEGED),
        ({"trust": "home"}, Action.CREATE_PRIVILEGED),
        ({"trust": "nonsense"}, Action.CREATE_PRIVILEGED),
        ({"trust": ("sealed",)}, Action.CREATE_PRIVILEGED),
        ({"trust": ["sealed"]}, Action.CREATE_PRIVILEGED),
        ({"trust": "project"}, Action.CREATE_ISOLATED),
        ({"trust": "sealed"}, Action.CREATE_ISOLATED),
        ({"privileged": False}, Action.CREATE_ISOLATED),
        ({"privileged": False, "trust": "full"}, Action.CREATE_ISOLATED),
        ({"privileged": True, "trust": "sealed"}, Action.CREATE_PRIVILEGED),
        ({"privileged": 0}, Action.CREATE_PRIVILEGED),
        ({"privileged": "false"}, Action.CREATE_PRIVILEGED),
        ({"privileged": "", "trust": "sealed"}, Action.CREATE_PRIVILEGED),
    ],
)
def test_what_a_creation_needs(options: dict[str, object], action: Action) -> None:
    """Only the caller's own clear word makes a container isolated; whatever is odd does not."""
    assert creation_action(options) is action


def test_the_policy_knows_every_action() -> None:
    """Ids and defaults of the shipped file are those of the program, and every text is there."""
    found = {}
    for action in ElementTree.parse(POLICY).getroot().findall("action"):
        defaults = action.find("defaults")
        assert defaults is not None
        found[action.get("id")] = tuple(each.text for each in defaults)
        assert [each.tag for each in defaults] == ["allow_any", "allow_inactive", "allow_active"]
        for tag in ("description", "message"):
            text = action.find(tag)
            assert text is not None
            assert text.text
            assert text.get("gettext-domain") == "kapsule"
        assert action.findtext("icon_name")
    assert found == DEFAULTS
    assert set(DEFAULTS) == set(Action)
