"""Names, formula ids and definitions of the metrics: text only, so that the index needs no numerics."""

FORMULAS = {
    "fve": ("r2_pooled", "1 - SSE / SST, sums over all held-out tokens, SST about their own mean"),
    "fve_train_mean": ("r2_train_mean", "1 - SSE / SST, SST about the training mean"),
    "fve_anom": ("r2_position_mean", "1 - SSE / SST, SST about the training mean at each token's own position"),
    "fve_area": ("r2_area", "as fve, every token weighted by its cell area, SST about the weighted mean"),
    "mse": ("mse_all", "SSE / (tokens x channels)"),
    "cosine": ("cosine_mean", "mean over tokens of the cosine between x and x_hat"),
    "l0": ("l0_mean", "mean over tokens of the number of features above 0"),
    "l0_median": ("l0_median", "median over tokens of the number of features above 0"),
    "l0_p95": ("l0_p95", "95th percentile over tokens of the number of features above 0"),
    "frac_dead": ("dead_held_out", "share of features that are above 0 on none of the held-out tokens"),
    "frac_dense_1pct": ("dense_1pct", "share of features above 0 on more than 1 % of the held-out tokens"),
    "frac_dense_10pct": ("dense_10pct", "share of features above 0 on more than 10 % of the held-out tokens"),
    "n_eval_tokens": ("count", "held-out tokens"),
}
