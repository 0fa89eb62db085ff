# Which records a configuration asks for, of which kind, and that none of those that are there is forgotten and of another one.
from aurorascope.config.chosen import stage_representatives
from aurorascope.config.made import refuse_forgotten
from aurorascope.measures.all import RELEASED_OF_STAGES
from aurorascope.stage_saes.claim import configured_stages

# Blocks whose features are drawn, and those that have a record of each kind.
REPRESENTATIVES = stage_representatives(CONFIG.block_ids)
MADE = {"sae": CONFIG.block_ids}
STAGES_MADE = [stage.id for stage in configured_stages(CONFIG)]
MADE |= {measure.kind.name: measure.blocks(CONFIG) for measure in MEASURES}
MADE["boost"] = MADE["boost_evaluation"]


def _by_block(blocks):
    return [{"block": block} for block in blocks]


def names_there(kind):
    """What stands for the names in the paths of all records of a kind that are there."""
    kind = ALL_KINDS[kind]
    return [kind.names_in(path) for path in kind.found(RESULTS)]


if workflow.is_main_process and not MAY_LOOK:
    try:
        refuse_forgotten(
            CONFIG,
            RESULTS,
            [
                *((ALL_KINDS[name], _by_block(MADE[name])) for name in MADE),
                *(
                    (kind, [{"stage": stage} for stage in STAGES_MADE])
                    for kind in RELEASED_OF_STAGES
                ),
                (ALL_KINDS["label_reference"], [{}]),
                (ALL_KINDS["labels"], [{"day": day} for day in LABEL_DAYS]),
                (ALL_KINDS["study"], [{"study": name} for name in study_names()]),
                (
                    ALL_KINDS["circuit"],
                    [{"circuit": name} for name in circuit_names()],
                ),
                (
                    ALL_KINDS["attribution"],
                    [
                        {"outcome": name, "block": block}
                        for name in outcome_names()
                        for block in CONFIG.block_ids
                    ],
                ),
                (ALL_KINDS["match"], names_there("match")),
            ],
            PRIVATE.parent / "metadata",
        )
    except UserError as error:
        _stop(error.one_line())
