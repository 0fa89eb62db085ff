# Aurora's static fields and weights, each a record with its file beside it.


rule make_static:
    input:
        named_file(CONFIG.static.source, CONFIG.static.path, "static.path"),
    output:
        "results/scratch/static/static.json",
    log:
        "results/logs/make_static.log",
    benchmark:
        "results/benchmarks/make_static.tsv"
    retries: 2 if CONFIG.static.source == "official" else None
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        config=stage_params(CONFIG, "make_static"),
    shell:
        "python -m aurorascope make_static --record {output} --log {log}"


rule make_checkpoint:
    # On a cluster this runs where there is network: `localrule` unless it is trained here.
    input:
        named_file(
            CONFIG.aurora.checkpoint_kind,
            CONFIG.aurora.checkpoint,
            "aurora.checkpoint",
        ),
    output:
        "results/scratch/checkpoint/checkpoint.json",
    log:
        "results/logs/make_checkpoint.log",
    benchmark:
        "results/benchmarks/make_checkpoint.tsv"
    # Training the demo's takes longer than all that is made beside it.
    priority: 2
    retries: 2 if CONFIG.aurora.checkpoint_kind == "official" else None
    localrule: CONFIG.aurora.checkpoint_kind != "demo"
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=memory(16000),
        runtime=growing(120),
    params:
        config=stage_params(CONFIG, "make_checkpoint"),
    shell:
        "python -m aurorascope make_checkpoint --record {output} --log {log}"
