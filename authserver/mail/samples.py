"""Values for each mail, to try the templates with."""

from collections.abc import Mapping

SAMPLES: Mapping[str, Mapping[str, object]] = {"test": {}}
"""By the template's name, without `.txt`."""
