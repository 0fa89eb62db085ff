"""Names, formula ids and definitions of the metrics of boosts: text only, so that the index needs no numerics.

Notation as in held_out/formulas; x_hat of both is the first SAE's plus the second's of x less the first's, and features are those of
either. Ordinary tokens are those that are not under the label.
"""

_OWN = "as fve, about the own mean of the held-out tokens"

BOOST_FORMULAS = {
    "boost_fve": ("r2_pooled_both", "fve of both SAEs, the second's reconstruction of what the first leaves out added"),
    "boost_fve_anom": ("r2_position_mean_both", "fve_anom of both"),
    "boost_l0": ("l0_mean_both", "mean over tokens of the number of features of either SAE that are on"),
    "boost_frac_dead": ("dead_held_out_second", "share of the second SAE's features that are on for none of the held-out tokens"),
    "boost_fve_label": ("r2_label_both", f"{_OWN} that are under the label, of both SAEs; null without a label"),
    "boost_fve_label_first": ("r2_label_first", "the same of the first SAE alone"),
    "boost_fve_ordinary": ("r2_ordinary_both", f"{_OWN} that are not under the label, of both SAEs; null without a label"),
    "boost_fve_ordinary_first": ("r2_ordinary_first", "the same of the first SAE alone"),
    "boost_change_ordinary": (
        "r2_ordinary_difference", "boost_fve_ordinary less boost_fve_ordinary_first; below 0, ordinary tokens were forgotten",
    ),
    "n_boost_label_tokens": ("count", "held-out tokens under the label"),
}
