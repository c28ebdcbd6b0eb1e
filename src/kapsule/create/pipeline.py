# SPDX-License-Identifier: GPL-3.0-or-later
"""The pipeline that creates a container. Its steps are in the modules `steps_*`.

Everything is decided before Incus is asked to change anything but its store of images.
"""

from kapsule.create.request import CreateContext
from kapsule.pipeline.pipeline import Pipeline

CREATE = Pipeline[CreateContext]("create", "Create a container and set it up for its owner")
