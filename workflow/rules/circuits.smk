# Circuits: which features of some blocks carry an outcome, through which features of later blocks, each asked for by a file in
# `circuits/`. No plain run makes them: ask for `circuits`, or for one circuit's record or page.


rule trace_circuit:
    # What is measured is kept in results/scratch/circuits, undeclared, so that a job that was killed goes on with the next.
    input:
        unpack(circuit_inputs),
        static="results/scratch/static/static.json",
        checkpoint="results/scratch/checkpoint/checkpoint.json",
    output:
        record="results/circuits/{circuit}/record.json",
        nodes="results/circuits/{circuit}/nodes.parquet",
        edges="results/circuits/{circuit}/edges.parquet",
        values="results/circuits/{circuit}/values.parquet",
    log:
        "results/logs/trace_circuit/{circuit}.log",
    benchmark:
        "results/benchmarks/trace_circuit/{circuit}.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(GPU),
        mem_mb=memory(128000),
        runtime=growing(48 * 60),
    params:
        config=stage_params(CONFIG, "trace_circuit"),
        # Whether its dates' snapshots are still the same.
        dates=circuit_dates,
    shell:
        "python -m aurorascope trace_circuit --circuit {wildcards.circuit} --results results --log {log}"


rule draw_circuit:
    input:
        record="results/circuits/{circuit}/record.json",
        nodes="results/circuits/{circuit}/nodes.parquet",
        edges="results/circuits/{circuit}/edges.parquet",
        values="results/circuits/{circuit}/values.parquet",
    output:
        "results/circuits/{circuit}/index.html",
    log:
        "results/logs/draw_circuit/{circuit}.log",
    benchmark:
        "results/benchmarks/draw_circuit/{circuit}.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        config=stage_params(CONFIG, "draw_circuit"),
        # Drawn again, with links and labels, when an atlas came or changed.
        atlas=circuit_atlas,
    shell:
        "python -m aurorascope draw_circuit --circuit {wildcards.circuit} --results results --log {log}"
