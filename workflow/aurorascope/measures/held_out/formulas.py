"""Names, formula ids and definitions of the metrics: text only, so that the index needs no numerics.

Notation: x is a held-out token's activation, x_hat its reconstruction, h its features, norm the Euclidean length, d the
channels; SSE is the sum of norm(x - x_hat)^2 over all held-out tokens, SST the sum of norm(x - m)^2 about a mean m. A
feature is on where it is not zero (features may be negative). What is undefined is null.
"""

FORMULAS = {
    "fve": ("r2_pooled", "1 - SSE / SST, sums over all held-out tokens, SST about their own mean"),
    "fve_train_mean": ("r2_train_mean", "1 - SSE / SST, SST about the training mean"),
    "fve_anom": ("r2_position_mean", "1 - SSE / SST, SST about the training mean at each token's own position"),
    "fve_area": ("r2_area", "as fve, every token weighted by its cell area, SST about the weighted mean"),
    "mse": ("mse_all", "SSE / (tokens x channels)"),
    "cosine": ("cosine_mean", "mean over tokens of the cosine between x and x_hat"),
    "l2_ratio": ("l2_ratio_mean", "mean of norm(x_hat) / norm(x) over tokens where x is not 0; below 1, tokens are shrunk"),
    "bias": (
        "mean_error_rms",
        "norm(mean of x_hat - x) / sqrt(SST / tokens), SST as in fve; its square is the fve that a constant correction adds",
    ),
    "shrinkage": (
        "projection_bias",
        "sum of norm(x_hat)^2 / sum of x . x_hat; below 1, tokens are shrunk (Rajamanoharan et al. 2024, arXiv:2404.16014, "
        "eq. 10, there the relative reconstruction bias)",
    ),
    "l0": ("l0_mean", "mean over tokens of the number of features that are on"),
    "l0_median": ("l0_median", "median over tokens of the number of features that are on"),
    "l0_p95": ("l0_p95", "95th percentile over tokens of the number of features that are on"),
    "frac_dead": ("dead_held_out", "share of features that are on for none of the N held-out tokens, N = n_eval_tokens"),
    "frac_dense_1pct": ("dense_1pct", "share of features that are on for more than 1 % of the held-out tokens"),
    "frac_dense_10pct": ("dense_10pct", "share of features that are on for more than 10 % of the held-out tokens"),
    "afa_norm_ratio": (
        "afa_norm_ratio",
        "mean of norm(h) / norm(x - b_dec) over tokens where x is not b_dec; 1 where features are orthogonal and x_hat is x "
        "(Lee et al. 2025, arXiv:2503.24277)",
    ),
    "afa_epsilon": (
        "afa_epsilon_least",
        "mean over tokens with a feature on of abs(norm(x - b_dec)^2 / norm(h)^2 - 1) / (d_hidden - 1): the least epsilon "
        "with which norm(h)^2 keeps within norm(x - b_dec)^2 / (1 +- epsilon (d_hidden - 1)) (Lee et al. 2025, arXiv:2503.24277)",
    ),
    "max_cosine": (
        "max_cosine_alive",
        "mean over features that are on for a held-out token of the largest cosine between a feature's row of W_dec and "
        "another such feature's; its magnitude where features may be negative",
    ),
    "max_cosine_all": ("max_cosine_all", "as max_cosine, over all features, dead ones included"),
    "fve_climatology": (
        "r2_pooled_climatology",
        "fve of the training mean at each token's own position in place of x_hat",
    ),
    "fve_pca": (
        "r2_pooled_pca",
        "fve of the k leading principal components of all training tokens about their mean in place of x_hat; "
        "k = l0, rounded, at most d",
    ),
    "fve_anom_pca": ("r2_position_mean_pca", "fve_anom of the same principal components"),
    "fve_random": (
        "r2_pooled_random",
        "fve of m + a r in place of x_hat: m the training mean, r the sum over the k of d_hidden random unit vectors g "
        "(Gaussian directions, seeded by block) with the largest abs(g . (x - m)) of (g . (x - m)) g, k = l0, rounded; a is "
        "the one number that is best for all held-out tokens, by least squares",
    ),
    "n_eval_tokens": ("count", "held-out tokens"),
}

# Each stands in for the autoencoder on the same tokens; `fve` and `fve_anom` of each are by the formulas above.
BASELINES = {
    "train_mean": ("train_mean", "the training mean, for every token"),
    "climatology": ("position_mean", "the training mean at the token's own position"),
    "pca": ("pca_train", "the k leading principal components of all training tokens, about the training mean"),
    "random": ("random_topk", "k of d_hidden random directions, times one number; see fve_random"),
}
