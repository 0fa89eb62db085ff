# What matches are made from: which two dictionaries a target names, and whether they can be matched.
import functools
from itertools import pairwise

from aurorascope.matching.pair import COSINE, read_pair
from aurorascope.matching.pair import across_stages


@functools.cache
def _pair(a, b):
    """The two of a target; what is wrong with them ends the planning."""
    try:
        return read_pair(a, b, CONFIG, RESULTS)
    except UserError as error:
        _stop(error.one_line())


def match_inputs(wildcards):
    """What a pair is matched from: its SAEs, and what says which features are on, or the held-out activations of both blocks. Files of
    another suite are what is there: no rule makes them.
    """
    pair = _pair(wildcards.a, wildcards.b)
    places = [(RESULTS, pair.a), (pair.folder(RESULTS), pair.b)]
    files = {"saes": [f"{folder}/saes/sae_{block}.json" for folder, block in places]}
    if pair.how == COSINE:
        evaluations = [f"{folder}/evaluation/{block}.json" for folder, block in places]
        return files | {"evaluations": evaluations}
    store = "results/scratch/activations/{block}/held_out/manifest.json"
    states = "results/scratch/states/held_out.json"
    return files | {
        "stores": expand(store, block=[pair.a, pair.b]),
        "states": states,
    }


def match_gpu(wildcards):
    """GPUs of a match: none where directions are compared."""
    return 0 if _pair(wildcards.a, wildcards.b).how == COSINE else GPU


def chained(wildcards):
    """Records and tables of the matches that chains are made of."""
    pairs = list(pairwise(CONFIG.block_ids))
    if not pairs:
        found = f"only {CONFIG.block_ids[0]}"
        _stop(
            UserError(
                "config key blocks",
                "two blocks or more, to follow features",
                found,
                "add blocks",
            ).one_line()
        )
    return [
        f"results/matches/{a}__{b}.{kind}"
        for a, b in pairs
        for kind in ("json", "parquet")
    ]


def matched_across_stages(wildcards):
    """Digests of the matches of blocks of two stages that are there, so that pages are drawn again when one came or changed. They are no
    inputs: whoever wants pages has not asked for them.
    """
    paths = across_stages(RESULTS, CONFIG.block_ids)
    return {path.stem: sha256_file(path) for path in paths}
