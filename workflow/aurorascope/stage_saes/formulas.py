"""Names and definitions of what is said of the SAE of a stage: text only, so that the index needs no numerics."""

ALONE = 0.9

LIVES = {
    "frac_dead_all": ("dead_held_out_stage", "share of features that are on for no held-out token of any block"),
    "effective_blocks": (
        "effective_blocks_median",
        "median over features that are on somewhere of exp(entropy of their shares), a share being a block's part of the feature's energy "
        "over all blocks, and energy the mean of h^2 over the block's held-out tokens over the squared length of what its activations "
        "vary by (d_model times the square of the SAE's scale for the block)",
    ),
    "frac_alone": ("one_block_has_90", f"share of those features of which one block has {ALONE:.0%} or more"),
    "frac_everywhere": ("on_in_every_block", "share of those features that are on for a held-out token of every block"),
}
