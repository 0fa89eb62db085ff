import numpy as np
import pytest
from aurorascope.blocks import BLOCK_IDS, BLOCKS, BY_ID, nearest_block, similar_ids
from aurorascope.spec import DEPTHS, LATENT_LEVELS
from aurorascope.tokens import token_grid
from hypothesis import given
from hypothesis import strategies as st

ONE_OF_EACH_MERGE = ("encoder_s0_b0", "encoder_s1_b0", "encoder_s2_b0")
GRIDS = {(451, 900): 0.4, (46, 90): 4.0, (19, 36): 10.0}


def axes(rows, cols, step):
    return 90 - step * np.arange(rows), step * np.arange(cols)


def grid(block_id, rows=451, cols=900):
    return token_grid(BY_ID[block_id], *axes(rows, cols, GRIDS[rows, cols]))


def test_there_are_48_blocks_in_forward_order():
    """The ids run from encoder_s0_b0 to decoder_s2_b5, each once, numbered 0 to 47."""
    assert len(BLOCK_IDS) == len(set(BLOCK_IDS)) == 48
    assert (BLOCK_IDS[0], BLOCK_IDS[23], BLOCK_IDS[24], BLOCK_IDS[47]) == (
        "encoder_s0_b0", "encoder_s2_b7", "decoder_s0_b0", "decoder_s2_b5",
    )
    assert [b.depth_index for b in BLOCKS] == list(range(48))
    keys = [(b.component == "decoder", b.stage, b.block) for b in BLOCKS]
    assert keys == sorted(keys)
    assert all(BY_ID[b.id] is b for b in BLOCKS)


def test_depths_are_those_of_aurora():
    """Stages hold 6, 10, 8 blocks going down and 8, 10, 6 coming up."""
    counts = {(c, s): sum(b.component == c and b.stage == s for b in BLOCKS) for c in DEPTHS for s in range(3)}
    assert list(counts.values()) == [6, 10, 8, 8, 10, 6]


@pytest.mark.parametrize(
    "name, first",
    [("decoder_s2_b6", "decoder_s2_b5"), ("encoder_s0_b9", "encoder_s0_b5"), ("encoder_s1_b55", "encoder_s1_b5"), ("encoder_s5_b3", "encoder_s2_b3"), ("decodr_s1_b4", "decoder_s1_b4")],
)
def test_an_unknown_id_is_answered_with_one_of_its_stage(name, first):
    assert similar_ids(name)[0] == first
    assert len(similar_ids(name)) == 3 and set(similar_ids(name)) <= set(BLOCK_IDS)


def test_what_is_like_no_id_is_answered_with_none():
    assert similar_ids("ozone", cutoff=0.5) == [] and similar_ids("decoder_s2_b6", ["encoder_s2_b6"]) == ["encoder_s2_b6"]


@pytest.mark.parametrize(
    "found, words",
    [("encoder_s0_b6", "take encoder_s0_b5"), ("Encoder_s1_b5", "take encoder_s1_b5"), ("encoder_s1", "take one of its blocks, encoder_s1_b0 to encoder_s1_b9"),
     ("ozone", "take one of the 48, encoder_s0_b0 to decoder_s2_b5"), (None, "add the key"), (3, "take one of the 48, encoder_s0_b0 to decoder_s2_b5")],
)
def test_what_to_do_about_an_unknown_block(found, words):
    assert nearest_block(found) == words


@pytest.mark.parametrize("embed_dim", [16, 32, 512])
def test_width_doubles_with_each_merge(embed_dim):
    """Widths are D, 2D, 4D in the encoder and 4D, 2D, D in the decoder."""
    widths = [BY_ID[f"{c}_s{s}_b0"].width(embed_dim) for c in ("encoder", "decoder") for s in range(3)]
    assert widths == [embed_dim * m for m in (1, 2, 4, 4, 2, 1)]


def test_all_saes_of_the_published_suite_have_1_46_billion_parameters():
    """At width 512 and eight latents a channel, the 48 SAEs have 1,460,152,320 parameters."""
    widths = [b.width(512) for b in BLOCKS]
    assert sum(2 * d * 8 * d + 8 * d + d for d in widths) == 1_460_152_320


def test_hook_names_the_module_that_module_returns():
    """`hook` is the dotted path of what `module` takes out of a model."""

    class Layer:
        def __init__(self, depth, tag):
            self.blocks = [f"{tag}{i}" for i in range(depth)]

    class Model:
        class backbone:
            encoder_layers = [Layer(n, f"e{s}.") for s, n in enumerate(DEPTHS["encoder"])]  # noqa: RUF012
            decoder_layers = [Layer(n, f"d{s}.") for s, n in enumerate(DEPTHS["decoder"])]  # noqa: RUF012

    assert BY_ID["decoder_s1_b9"].hook == "backbone.decoder_layers.1.blocks.9"
    assert BY_ID["decoder_s1_b9"].module(Model) == "d1.9"
    assert len({b.module(Model) for b in BLOCKS}) == 48


@pytest.mark.parametrize(
    ("block_id", "shape", "n_tokens"),
    [
        ("encoder_s0_b0", (4, 150, 300), 180_000),
        ("encoder_s1_b5", (4, 75, 150), 45_000),
        ("encoder_s2_b7", (4, 38, 75), 11_400),
        ("decoder_s0_b0", (4, 38, 75), 11_400),
        ("decoder_s1_b0", (4, 75, 150), 45_000),
        ("decoder_s2_b5", (4, 150, 300), 180_000),
    ],
)
def test_token_counts_of_the_real_grid(block_id, shape, n_tokens):
    """On 451 x 900 cells the tokens number 180,000, 45,000 and 11,400."""
    tokens = grid(block_id)
    assert tokens.shape == shape
    assert tokens.n_tokens == n_tokens


@pytest.mark.parametrize(
    ("rows", "cols", "planes"),
    [(46, 90, [(15, 30), (8, 15), (4, 8)]), (19, 36, [(6, 12), (3, 6), (2, 3)])],
)
def test_token_planes_of_the_small_grids(rows, cols, planes):
    """A row beyond a multiple of 3 is dropped, and odd rows or columns are padded before a merge."""
    assert [grid(block_id, rows, cols).shape[1:] for block_id in ONE_OF_EACH_MERGE] == planes


def test_padded_row_of_the_real_grid_counts_its_real_cells_only():
    """The 38th row holds 6 of 12 cell rows, and its centre is the mean of those 6."""
    tokens = grid("encoder_s2_b0")
    assert tokens.row_cells.tolist() == [12] * 37 + [6]
    assert tokens.col_cells.tolist() == [12] * 75
    assert tokens.lat[-1] == pytest.approx(np.mean(90 - 0.4 * np.arange(444, 450)), abs=1e-9)
    assert tokens.lat[0] == pytest.approx(90 - 0.4 * 5.5, abs=1e-9)
    assert tokens.lat_edges[-1] == pytest.approx([-89.8, 90 - 0.4 * 443.5], abs=1e-9)


@pytest.mark.parametrize("size", GRIDS)
@pytest.mark.parametrize("block_id", ONE_OF_EACH_MERGE)
def test_centres_follow_closed_forms(size, block_id):
    """Unpadded rows and columns of k cells have centres at (i k + (k - 1) / 2) steps from the first cell."""
    step, tokens = GRIDS[size], grid(block_id, *size)
    k = 3 * 2 ** BY_ID[block_id].merges
    full_rows, full_cols = tokens.row_cells == k, tokens.col_cells == k
    lat = 90 - step * (np.arange(len(tokens.lat)) * k + (k - 1) / 2)
    lon = step * (np.arange(len(tokens.lon)) * k + (k - 1) / 2)
    np.testing.assert_allclose(tokens.lat[full_rows], lat[full_rows], atol=1e-9)
    np.testing.assert_allclose(tokens.lon[full_cols], lon[full_cols], atol=1e-9)
    assert full_rows[:-1].all() and full_cols[:-1].all()
    assert tokens.row_cells.sum() == size[0] // 3 * 3 and tokens.col_cells.sum() == size[1]


@pytest.mark.parametrize("size", GRIDS)
@pytest.mark.parametrize("block_id", ONE_OF_EACH_MERGE)
def test_area_is_the_sine_of_the_edges(size, block_id):
    """Areas have mean 1 and are proportional to sin(north) - sin(south) times the columns covered."""
    step, tokens = GRIDS[size], grid(block_id, *size)
    area, k = tokens.area, 3 * 2 ** BY_ID[block_id].merges
    assert area.shape == tokens.shape
    assert area.mean() == pytest.approx(1, rel=1e-12)
    first = np.arange(len(tokens.lat)) * k
    north = np.minimum(90, 90 - step * (first - 0.5))
    south = 90 - step * (first + tokens.row_cells - 0.5)
    expected = np.outer(np.sin(np.deg2rad(north)) - np.sin(np.deg2rad(south)), tokens.col_cells)
    np.testing.assert_allclose(area / area[0, 0, 0], np.broadcast_to(expected / expected[0, 0], area.shape), rtol=1e-9)


def test_area_of_all_blocks_covers_the_same_part_of_the_globe():
    """Whatever the merges, the rows' edges tile the sphere from the pole to the last row kept."""
    for block_id in ONE_OF_EACH_MERGE:
        edges = grid(block_id).lat_edges
        assert edges[0, 1] == 90
        np.testing.assert_allclose(edges[1:, 1], edges[:-1, 0], atol=1e-9)
        assert edges[-1, 0] == pytest.approx(-89.8)


def test_latent_levels_are_four_and_not_pressures():
    """The levels are the surface and three learned ones."""
    assert LATENT_LEVELS == ("surface", "atmos_1", "atmos_2", "atmos_3")
    assert grid("encoder_s0_b0").n_levels == 4


@given(st.integers(3, 40), st.integers(0, 1), st.integers(3, 40), st.sampled_from(BLOCK_IDS))
def test_shape_follows_from_the_rule_of_merging(rows, extra, cols, block_id):
    """For any grid Aurora takes, each merge halves rows and columns, rounding up."""
    block = BY_ID[block_id]
    tokens = token_grid(block, *axes(3 * rows + extra, 3 * cols, 1.0))
    expected = (rows, cols)
    for _ in range(block.merges):
        expected = tuple(-(-n // 2) for n in expected)
    assert tokens.shape[1:] == expected
    assert (np.diff(tokens.lat) < 0).all() and (np.diff(tokens.lon) > 0).all()
