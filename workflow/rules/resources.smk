# What jobs ask for: GPUs, in this machine's terms or a cluster's, and time that grows with each attempt.
from aurorascope.activations.claim import make_claim
from aurorascope.activations.manifest import is_complete
from aurorascope.activations.paths import StorePaths
from aurorascope.training.finished import CHECKPOINT, is_finished, training_folder
from aurorascope.spec import EMBED_DIM
from aurorascope.training.finished import make_claim as make_training_claim
from aurorascope.training.sae_files import sae_claim, waiting_sae

# GPUs that a computing job asks for.
GPU = 0 if CONFIG.aurora.device == "cpu" else 1


def site(name):
    """What slurm/profile.yaml says of the cluster, among its default resources; empty where there is no cluster."""
    found = (workflow.resource_settings.default_resources or {}).get(name)
    return str(getattr(found, "raw", found) or "").strip("'\"")


PARTITION, GPU_PARTITION = site("slurm_partition"), site("gpu_partition")
GPU_FLAG, GPU_TYPE = site("gpu_flag"), site("gpu_type")
# A snapshot's encoding, digests and writing take several cores as long as its forward takes the GPU.
GPU_CPUS = int(site("gpu_cpus") or 1)
# A job that asks for more than its partition allows waits for ever.
LONGEST = int(site("longest_runtime") or 7 * 24 * 60)
if GPU_FLAG not in ("", "gpus", "gres"):
    _stop(
        f"The profile's gpu_flag: expected gpus or gres, found {GPU_FLAG}. Next: export AURORASCOPE_SLURM_GPU_FLAG=gpus"
    )


def on_gpus(count):
    """Resources of a job that computes on `count` GPUs, a number or a function of wildcards: on this machine the
    number alone; on a cluster in the site's form, with CPUs beside it, and the partition that has GPUs, or the one
    that has not.
    """

    def number(wildcards):
        return count(wildcards) if callable(count) else count

    def where_any(value):
        return lambda wildcards: value if number(wildcards) else None

    if not GPU_PARTITION:
        return {"gpu": number}
    partition = {
        "slurm_partition": lambda wildcards: (
            GPU_PARTITION if number(wildcards) else PARTITION
        ),
        "cpus_per_task": where_any(GPU_CPUS),
    }
    if GPU_FLAG == "gres":
        # The plugin turns `gpu` into --gpus, which such a site refuses.
        gres = ":".join(filter(None, ["gpu", GPU_TYPE, str(GPU)]))
        return {**partition, "gpu": 0, "gres": where_any(gres)}
    model = {"gpu_model": where_any(GPU_TYPE)} if GPU_TYPE else {}
    return {**partition, **model, "gpu": number}


def for_shares(pattern):
    """The pattern's files for as many shares of the blocks as may be at work at a time, on this machine: one on a cluster, and
    one where a forward of Aurora serves all blocks.
    """
    cores = workflow.resource_settings.cores
    if cores is None or CONFIG.activations.mode == "live":
        return expand(pattern, share=shares(1))
    at_a_time = max(1, cores // CONFIG.compute.threads)
    if GPU:
        at_a_time = min(at_a_time, gpu_bound(CONFIG.aurora.device))
    return expand(pattern, share=shares(min(at_a_time, len(CONFIG.block_ids))))


def for_shares_of_days(pattern, days):
    """The pattern's files for as many shares of the days as there are cores, one on a cluster."""
    return expand(
        pattern, share=shares(min(workflow.resource_settings.cores or 1, len(days)))
    )


def memory(megabytes):
    """Megabytes of a job at the published model's width; a narrow model's needs little."""
    return megabytes if CONFIG.aurora.embed_dim == EMBED_DIM else 4000


def growing(minutes):
    """Minutes of a job: as many again on each attempt, since the one before may have run out of time."""
    return lambda wildcards, attempt: min(minutes * attempt, LONGEST)


def reader_gpu(wildcards):
    """GPUs of a job that reads a block's stores with the CPU: one where Aurora must compute the snapshots again."""
    absent = SCRATCH.glob(f"activations/{wildcards.block}/*/absent.json")
    return GPU if CONFIG.activations.mode == "live" or any(absent) else 0


def is_filled(wildcards):
    """Whether an earlier job finished just this store, so that this one only verifies it."""
    try:
        claim = make_claim(CONFIG, BY_ID[wildcards.block], wildcards.split, SCRATCH)
    except UserError:
        return False
    paths = StorePaths.of(SCRATCH, wildcards.block, wildcards.split)
    return is_complete(paths, claim)


def dump_runtime(wildcards, attempt):
    """Minutes of a dump; more on each attempt, which resumes the one before."""
    return 60 if is_filled(wildcards) else growing(12 * 60)(wildcards, attempt)


def gpu_unless_waiting(kind):
    """GPUs of a job that measures a block: none where a job of many left its record, so that this one only moves it."""
    (measure,) = [measure for measure in MEASURES if measure.kind.name == kind]
    return lambda wildcards: (
        0 if measure.is_waiting(CONFIG, BY_ID[wildcards.block], RESULTS) else GPU
    )


def is_trained(wildcards):
    """Whether this block is trained: its files wait to be adopted, or are written from activations on disk."""
    block = wildcards.block
    manifest = StorePaths.of(SCRATCH, block, "train").manifest
    try:
        claim = sae_claim(CONFIG, block, manifest)
    except UserError:
        return False
    if waiting_sae(RESULTS, block).is_waiting(claim):
        return True
    names = ("block", "train_config_sha256", "activations_manifest_sha256")
    done = make_training_claim(*(claim[name] for name in names))
    path = training_folder(SCRATCH, block) / CHECKPOINT
    return not reader_gpu(wildcards) and is_finished(path, done)
