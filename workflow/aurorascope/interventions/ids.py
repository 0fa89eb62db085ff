"""How features are named in edits; defined in the room of the autoencoders, where planning, which has no torch, reads it, too."""

from aurorascope.sae.feature_ids import Asked, FeatureId, Features, read_features, refuse_bare_pair, resolve_features

__all__ = ["Asked", "FeatureId", "Features", "read_features", "refuse_bare_pair", "resolve_features"]
