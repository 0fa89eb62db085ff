"""AuroraScope: one sparse autoencoder for every transformer block of Aurora Air Pollution."""

__version__ = "0.1.0"
