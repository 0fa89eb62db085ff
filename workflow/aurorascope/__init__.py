"""AuroraScope: one sparse autoencoder for every transformer block of Aurora Air Pollution."""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """What users call, imported when it is first asked for: `load_batch` and `load_model` need torch and Aurora, `Suite` jsonschema."""
    if name == "load_batch":
        from aurorascope.backbone.batch import load_batch

        return load_batch
    if name == "load_model":
        from aurorascope.backbone.model import open_model

        return open_model
    if name == "Suite":
        from aurorascope.release.suite import Suite

        return Suite
    raise AttributeError(f"module 'aurorascope' has no attribute {name!r}")
