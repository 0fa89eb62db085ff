# Matches of features, one to one: of two blocks, or of a block and one of another suite, and chains of them through all blocks. No plain run
# makes them: ask for `matches`, which is each block with the next, their chains and a figure; or for one pair by its name.


rule match_features:
    input:
        unpack(match_inputs),
    output:
        record="results/matches/{a}__{b}.json",
        table="results/matches/{a}__{b}.parquet",
    log:
        "results/logs/match_features/{a}__{b}.log",
    benchmark:
        "results/benchmarks/match_features/{a}__{b}.tsv"
    wildcard_constraints:
        a="(?:(?!__)[^/])+",
        b="(?:(?!__)[^/])+",
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(match_gpu),
        mem_mb=memory(48000),
        runtime=growing(4 * 60),
    params:
        config=stage_params(CONFIG, "match_features"),
    shell:
        "python -m aurorascope match_features --a {wildcards.a} --b {wildcards.b} --results results --log {log}"


rule chain_features:
    input:
        chained,
    output:
        **shown(
            "results/figures/chains",
            "chains",
            {"shows": "features from block to block"},
            category="Matches",
        ),
        record="results/matches/chains.json",
        table="results/matches/chains.parquet",
    log:
        "results/logs/chain_features.log",
    benchmark:
        "results/benchmarks/chain_features.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        config=stage_params(CONFIG, "chain_features"),
    shell:
        "python -m aurorascope chain_features --results results --log {log}"
