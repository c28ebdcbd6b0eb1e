# SPDX-License-Identifier: GPL-3.0-or-later
from kapsule.create.pipeline import CREATE


def test_order() -> None:
    """Everything is checked and decided before Incus is asked to make anything."""
    names = [step.name for step in CREATE.steps]
    assert names == [
        *("check_request", "check_name_is_free", "resolve"),
        *("cache_image", "read_image_defaults", "merge"),
        *("check_trust", "build_configuration", "store_options"),
        *("find_directories", "store_sources", "choose_storage_pool", "build_device_list"),
        *("ensure_storage_pool", "prepare_host", "keep_device_mounts_apart", "create_and_start"),
        *("set_up_guest", "mount_folders", "follow_host_settings"),
        *("set_up_owner", "mark_done"),
    ]
    assert all(step.summary for step in CREATE.steps)
