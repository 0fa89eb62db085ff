"""AuroraScope: one sparse autoencoder for every transformer block of Aurora Air Pollution."""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`aurorascope.load_batch`, imported when it is first asked for: it needs torch and Aurora."""
    if name == "load_batch":
        from aurorascope.backbone.batch import load_batch

        return load_batch
    raise AttributeError(f"module 'aurorascope' has no attribute {name!r}")
