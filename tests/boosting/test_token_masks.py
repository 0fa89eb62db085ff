"""Which tokens are under a label, and what is refused."""

import numpy as np
import pytest
from aurorascope.boosting.labels import TokenMasks
from aurorascope.errors import UserError
from aurorascope.files import write_json
from tiny import LAT, LON

from tests.boosting.folder import CELLS, DAYS, LABEL, N_UNDER, under, write_labels

TIMES = [f"2022-06-{day:02d}T12:00:00Z" for day in DAYS["train"]]


def masks_of(folder, label=LABEL, times=TIMES):
    return TokenMasks(folder.results, folder.block, label, "train", times)


def test_tokens_are_under_it_where_half_of_their_area_is(folder):
    """Whole tokens of a day; of another day a token with six of its nine cells, and one with three, which is not."""
    mask_yx = np.zeros((18, 36), bool)
    mask_yx[6:8, 3:6] = mask_yx[6:7, 9:12] = True
    write_labels(folder.results, 5, mask_yx)
    masks = masks_of(folder)
    expected = [under(day).reshape(-1) for day in DAYS["train"]]
    expected[2] = np.zeros(72, bool)
    expected[2][2 * 12 + 1] = True
    assert np.array_equal(masks.mask_sp, np.stack(expected))
    assert masks.n_under == 5 * N_UNDER + 4 and CELLS.shape == (4, 6, 12)


def test_the_digest_follows_from_the_labels_of_these_times(folder):
    """Other masks give another digest before anything is read; labels of other days do not matter."""
    before = masks_of(folder).sha256
    write_labels(folder.results, 20, np.ones((18, 36), bool))
    assert masks_of(folder).sha256 == before
    write_labels(folder.results, 5, np.ones((18, 36), bool))
    assert masks_of(folder).sha256 != before != masks_of(folder, times=TIMES[:2]).sha256


def test_what_there_is_not_is_refused(folder):
    """A label of another name, a time or a day without labels, and labels of another grid."""
    with pytest.raises(UserError, match=r"config key sae.boost.label: expected a label of .*: smoke, found 'smok'. Next: take smoke"):
        masks_of(folder, "smok")
    with pytest.raises(UserError, match="labels at 2022-06-03T00"):
        masks_of(folder, times=["2022-06-03T00:00:00Z"])
    with pytest.raises(UserError, match="2022-07-01.json"):
        masks_of(folder, times=["2022-07-01T12:00:00Z"])
    states = {"kind": "states", "latitude": (LAT * 0.99).tolist(), "longitude": LON.tolist()}
    write_json(folder.results / "scratch" / "states" / "train.json", states)
    with pytest.raises(UserError, match="labels on the states' 19 of latitude"):
        masks_of(folder).mask_sp  # noqa: B018


def test_altered_masks_are_refused(folder):
    """Values are compared with the digests of the record."""
    masks, other = masks_of(folder), (folder.results / "scratch" / "labels" / "2022-06-05")
    write_labels(folder.results, 5, np.ones((18, 36), bool))
    record = other.with_suffix(".json").read_text()
    write_labels(folder.results, 5)
    other.with_suffix(".json").write_text(record)
    with pytest.raises(UserError, match="smoke at 2022-06-05"):
        masks.mask_sp  # noqa: B018


def test_a_label_over_no_token_is_refused_with_their_number(folder):
    for day in DAYS["train"]:
        write_labels(folder.results, day, np.zeros((18, 36), bool))
    with pytest.raises(UserError, match=r"some training token is under, found smoke, over none of 1,728 tokens"):
        masks_of(folder).check_some("training")
