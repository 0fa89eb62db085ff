"""What the library knows of the model is what the installed one says of itself."""

import datetime
import importlib.metadata
import inspect

import aurora
from aurora import Aurora, AuroraAirPollution
from aurora.model.lora import LoRARollout
from aurorascope import spec
from aurorascope.config.calendar import STEP


def default(of, name):
    return inspect.signature(of).parameters[name].default


def test_structure_is_that_of_the_model():
    """Arguments that `AuroraAirPollution` does not set itself are those of `Aurora`."""
    assert {"encoder": default(Aurora, "encoder_depths"), "decoder": default(Aurora, "decoder_depths")} == spec.DEPTHS
    assert len(spec.LATENT_LEVELS) == default(Aurora, "latent_levels")
    assert default(Aurora, "embed_dim") == spec.EMBED_DIM
    assert default(Aurora, "window_size") == spec.WINDOW
    assert default(Aurora, "max_history_size") == spec.N_STATES
    assert spec.USE_LORA is default(Aurora, "use_lora")
    assert default(LoRARollout, "r") == spec.LORA_RANK
    assert default(AuroraAirPollution, "patch_size") == spec.PATCH
    assert default(AuroraAirPollution, "timestep") == datetime.timedelta(hours=spec.STEP_HOURS) == STEP


def test_names_are_those_of_the_published_files():
    assert AuroraAirPollution.__name__ == spec.CLASS
    assert importlib.metadata.packages_distributions()[aurora.__name__] == [spec.PACKAGE]
    assert AuroraAirPollution.default_checkpoint_repo == spec.REPOSITORY
    assert AuroraAirPollution.default_checkpoint_name == spec.CHECKPOINT_FILE
    # The package names no file of static fields; the repository has one beside each checkpoint.
    assert spec.CHECKPOINT_FILE.removesuffix(".ckpt") + "-static.pickle" == spec.STATIC_FILE
