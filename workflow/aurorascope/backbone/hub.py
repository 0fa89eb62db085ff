"""Files of the model's repository on the hub, each at a pinned commit."""

from pathlib import Path

from aurorascope.errors import UserError
from aurorascope.spec import REPOSITORY


def fetch_official(name: str, revision: str) -> Path:
    """Download one file of the model repository at a pinned commit and return its cached path.

    Raises:
        UserError: the file cannot be fetched.
    """
    import os

    # Set for everything else (see `model`); this is the one verb that is meant to reach the hub.
    os.environ.pop("HF_HUB_OFFLINE", None)
    from huggingface_hub import constants, hf_hub_download

    constants.HF_HUB_OFFLINE = False
    try:
        return Path(hf_hub_download(REPOSITORY, name, revision=revision))
    except Exception as error:  # the hub's own errors share no base class
        raise UserError(
            f"{REPOSITORY}/{name}@{revision[:12]}",
            "a download from the model hub",
            " ".join(str(error).split())[:300],
            "run this target on a machine with network, or download the file there and name its path in the config",
        ) from error
