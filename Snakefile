# AuroraScope: CAMS -> Aurora activations -> 48 sparse autoencoders -> evaluation -> index and release.
#
#   snakemake --cores 2                                          the demo of config.yaml: no key, no network, no GPU
#   snakemake -c1 plan                                           what the configured run will cost
#   snakemake results/saes/sae_encoder_s1_b5.pt --cores 2        one block's SAE, and only what it needs
#   snakemake results/boosts/sae_encoder_s1_b5.pt --cores 2      a second SAE of what that one leaves out
#   snakemake results/saes/sae_encoder_s1.pt --cores 2           one SAE for all blocks of a stage
#   snakemake results/features/encoder_s1_b5/2022-06-20.nc --cores 2    its features on one date, labelled
#   snakemake --cores 2 labels                                   what the weather is, where: labels of each date
#   snakemake --cores 2 atlas                                    which features follow those labels, as pages to open
#   snakemake --cores 2 studies                                  what edits of features do, one study a file in studies/
#   snakemake --cores 2 attributions                             which features carry a forecast, one outcome a file in outcomes/
#   snakemake --cores 2 circuits                                 through which other features, one circuit a file in circuits/
#   snakemake --cores 2 matches                                  which features go on from block to block
#   snakemake --cores 8 --configfile workflow/config/cams-year.yaml     the published year
#   snakemake --profile slurm                                    any of these on a SLURM cluster
from snakemake.utils import min_version

min_version("9.27.0")


configfile: "config.yaml"


report: "workflow/report/workflow.rst"


# Bounds what runs at once on this machine, never what a cluster may run at once.
resource_scopes:
    gpu="local",
    ads="local",


include: "workflow/rules/common.smk"
include: "workflow/rules/label_inputs.smk"
include: "workflow/rules/study_inputs.smk"
include: "workflow/rules/attribution_inputs.smk"
include: "workflow/rules/circuit_inputs.smk"
include: "workflow/rules/boosting_inputs.smk"
include: "workflow/rules/made.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/match_inputs.smk"
include: "workflow/rules/stage_inputs.smk"
include: "workflow/rules/local.smk"
include: "workflow/rules/cams.smk"
include: "workflow/rules/backbone.smk"
include: "workflow/rules/labels.smk"
include: "workflow/rules/activations.smk"
include: "workflow/rules/sae.smk"
include: "workflow/rules/stage_saes.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/boosting.smk"
include: "workflow/rules/atlas.smk"
include: "workflow/rules/studies.smk"
include: "workflow/rules/attribution.smk"
include: "workflow/rules/circuits.smk"
include: "workflow/rules/matches.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/release.smk"
include: "workflow/rules/looks.smk"


localrules:
    all,
    days_together,
    train_together,
    evaluate_together,
    fidelity_together,
    labels_together,
    labels,
    score_together,
    atlas,
    studies,
    attribute_together,
    attributions,
    circuits,
    matches,
    check_access,
    download_day,
    drop_chunks,
    index_local,
    select_states,
    make_static,
    build_index,
    write_card,
    write_table,
    copy_module,
    copy_schema,
    write_digests,
    draw_suite,
    draw_levels,
    draw_curves,
    draw_blocks,
    draw_storyline,
    chain_features,
    plan,
    verify,


rule all:
    input:
        RELEASE,
        dropped(),
        ATLAS if CONFIG.atlas.enabled else [],


rule labels:
    # No output on purpose: `snakemake --cores N labels`
    input:
        expand("results/scratch/labels/{day}.json", day=LABEL_DAYS),


rule atlas:
    # No output on purpose: `snakemake --cores N atlas`
    input:
        ATLAS,


rule studies:
    # No output on purpose: `snakemake --cores N studies`
    input:
        expand(
            "results/studies/{study}/{file}",
            study=study_names(),
            file=["record.json", "effects.parquet", "fields.nc", "index.html"],
        ),


rule attributions:
    # No output on purpose: `snakemake --cores N attributions`
    input:
        all_attributions,


rule circuits:
    # No output on purpose: `snakemake --cores N circuits`
    input:
        expand(
            "results/circuits/{circuit}/{file}",
            circuit=circuit_names(),
            file=[
                "record.json",
                "nodes.parquet",
                "edges.parquet",
                "values.parquet",
                "index.html",
            ],
        ),


rule matches:
    # No output on purpose: `snakemake --cores N matches`
    input:
        chained,
        "results/matches/chains.json",
        "results/matches/chains.parquet",
        expand("results/figures/chains.{kind}", kind=["png", "csv"]),
