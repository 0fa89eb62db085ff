"""The settings of atlases, from the configuration."""

from aurorascope.atlas.settings import AtlasSettings
from aurorascope.config.model import Config


def settings_of(config: Config) -> AtlasSettings:
    """The settings of an atlas; what the configuration does not name stays as it is."""
    given = {name: getattr(config.atlas, name) for name in config.atlas.__dataclass_fields__ if name != "enabled"}
    return AtlasSettings(**given)
