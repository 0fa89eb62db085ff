# Features of one SAE on one configured date, the first thing to look at: made when they are asked for by name.


rule write_features:
    input:
        sae="results/saes/sae_{block}.json",
        manifest=store_of_day,
        states=lambda wildcards: f"results/scratch/states/{split_of(wildcards)}.json",
    output:
        "results/features/{block}/{day}.nc",
    log:
        "results/logs/write_features/{block}_{day}.log",
    benchmark:
        "results/benchmarks/write_features/{block}_{day}.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(reader_gpu),
        mem_mb=memory(32000),
        runtime=growing(4 * 60),
    params:
        config=stage_params(CONFIG, "write_features"),
    shell:
        "python -m aurorascope write_features --day {wildcards.day} --sae {input.sae} --manifest {input.manifest}"
        " --states {input.states} --netcdf {output} --log {log}"
