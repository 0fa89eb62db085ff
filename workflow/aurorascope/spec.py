"""Aurora Air Pollution as it was published, in numbers and names: what the rest of the library knows of the model.

Imported whenever Snakemake parses, so it needs nothing heavy. A test compares it with the installed `aurora`. The model's
variables, pressure levels and statistics are in `cams.variables`.
"""

CLASS = "AuroraAirPollution"
PACKAGE = "microsoft-aurora"
# The model's repository on the hub and its files.
REPOSITORY = "microsoft/aurora"
CHECKPOINT_FILE = "aurora-0.4-air-pollution.ckpt"
STATIC_FILE = "aurora-0.4-air-pollution-static.pickle"

# Blocks of each stage, in forward order.
DEPTHS = {"encoder": (6, 10, 8), "decoder": (8, 10, 6)}
# Channels of the first stage; a narrower model is one trained here.
EMBED_DIM = 512
LATENT_LEVELS = ("surface", "atmos_1", "atmos_2", "atmos_3")
# Grid cells along each side of a token before any merge.
PATCH = 3
# (levels, rows, columns) of the tokens that attend to each other.
WINDOW = (2, 6, 12)
USE_LORA = True
LORA_RANK = 8

# States in one input, the hours between them, which are also those of one forecast, and their rows and columns.
N_STATES = 2
STEP_HOURS = 12
GRID = (451, 900)
