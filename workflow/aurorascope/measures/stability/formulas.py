"""Names, formula ids and definitions of the metrics of other seeds: text only, so that the index needs no numerics."""

# Above this cosine a matched pair counts as one feature.
ALIKE = 0.7
# The most features of a side that are matched one to one: 6.4 GB.
MOST_MATCHED = 20_000

_PAIRS = "mean over pairs of seeds of the "
_MEASURES = {
    "pw_mcc": (
        "pw_mcc_alive",
        f"{_PAIRS}mean cosine between rows of W_dec matched one to one so that the sum of cosines is largest (Song et al. "
        "2025, arXiv:2505.20254); of features that are on for some held-out token; magnitudes where features may be "
        "negative; null where a seed has none, or more than 20,000 that would have to be matched",
    ),
    "share_matched": (
        "share_matched_70",
        f"{_PAIRS}number of matched pairs whose cosine exceeds 0.7, over the mean number of alive features of the two "
        "(Paulo & Belrose 2025, arXiv:2501.16615, where as many are alive in both)",
    ),
    "mmcs": (
        "mmcs_alive",
        f"{_PAIRS}mean over alive features of the largest cosine with any alive feature of the other seed, without "
        "matching, averaged over both directions (Sharkey et al. 2022)",
    ),
}
# Two dictionaries of random directions, as many as the first two seeds have alive features, in the place of theirs.
CHANCES = {
    "random": "random directions, as many as the first two seeds have alive features: Gaussian, seeded by block",
    "random_pca": "the same number of random directions, Gaussian with the covariance of the training tokens about their mean",
}

STABILITY_FORMULAS = {
    **_MEASURES,
    **{
        f"{name}_{chance}": (f"{formula_id}_{chance}", f"{name} of two dictionaries of {text}")
        for name, (formula_id, _) in _MEASURES.items()
        for chance, text in CHANCES.items()
    },
    "n_stability_seeds": ("count", "SAEs that are compared, the released one among them"),
    "n_stability_features": ("alive_held_out_mean", "mean over the seeds of the features that are on for some held-out token"),
}
