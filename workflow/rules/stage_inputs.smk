# What the SAEs of stages are made from: stores of all of a stage's configured blocks.
from aurorascope.blocks import STAGE_IDS
from aurorascope.config.targets import check_target_of
from aurorascope.stage_saes.claim import configured_stage


wildcard_constraints:
    stage="|".join(STAGE_IDS),


def stores_of_stage(split):
    """Manifests of a split of the stage's configured blocks; a stage without any, or a target that it cannot reach, ends the planning."""

    def stores(wildcards):
        try:
            stage = configured_stage(CONFIG, wildcards.stage)
            check_target_of(CONFIG, stage)
        except UserError as error:
            _stop(error.one_line())
        blocks = [block.id for block in stage.blocks]
        pattern = "results/scratch/activations/{block}/{split}/manifest.json"
        return expand(pattern, block=blocks, split=split)

    return stores
