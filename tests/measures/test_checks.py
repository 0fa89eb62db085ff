"""An evaluation refuses whatever would make its numbers say something else than they claim."""

import json

import pytest
from aurorascope.activations.manifest import seal
from aurorascope.activations.reader import StoreReader
from aurorascope.errors import UserError
from aurorascope.files import write_json
from aurorascope.measures.checks import check_belongs
from tiny import claim, digest, make_store

# 324 hours after the last state of training, that of June 6, 12 h.
TRAIN_DAYS, HELD_OUT_DAYS, HOURS_APART = range(3, 7), range(20, 22), 324


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    return StoreReader(make_store(tmp_path_factory.mktemp("train"), claim(TRAIN_DAYS)))


def held_out(folder, days=HELD_OUT_DAYS, **changes):
    return StoreReader(make_store(folder, claim(days, split="held_out", **changes)))


def record(train, **changes):
    """What of an SAE's record says what it was trained on."""
    manifest = train.manifest
    right = {"block": manifest["block"], "checkpoint_sha256": manifest["checkpoint_sha256"],
             "activations_manifest_sha256": manifest["sha256"]}
    return right | changes


def check(train, store, gap_hours=0, **changes):
    return check_belongs(record(train, **changes), train.paths.manifest, train, store, gap_hours)


def test_what_belongs_together_passes(train, tmp_path):
    """As far apart as asked for is far enough; few snapshots are flagged."""
    store = held_out(tmp_path)
    assert check(train, store, HOURS_APART) == ["only 2 held-out snapshots, fewer than 20"]


@pytest.mark.parametrize(("n", "is_flagged"), [(19, True), (20, False)])
def test_twenty_snapshots_are_enough(train, tmp_path, n, is_flagged):
    """Below 20 held-out snapshots, the record says so."""
    assert bool(check(train, held_out(tmp_path, range(8, 8 + n)))) == is_flagged


@pytest.mark.parametrize("key", ["block", "checkpoint_sha256", "activations_manifest_sha256"])
def test_another_sae_is_refused(train, tmp_path, key):
    """An SAE of another block, base checkpoint or training store; the message says how to train it anew."""
    with pytest.raises(UserError, match=rf"an SAE with {key} .*rm -f .* && snakemake") as error:
        check(train, held_out(tmp_path), **{key: digest("other")})
    assert digest("other") in str(error.value)


@pytest.mark.parametrize("changes", [{"checkpoint": "other"}, {"dtype": "float32"}, {"block_id": "encoder_s2_b1"}])
def test_held_out_activations_of_another_model_are_refused(train, tmp_path, changes):
    """Another checkpoint, precision or block behind the held-out store."""
    with pytest.raises(UserError, match="as in training"):
        check(train, held_out(tmp_path, **changes))


@pytest.mark.parametrize("days", [[6], [3, 20], [20, 6]])
def test_held_out_dates_of_training_are_refused(train, tmp_path, days):
    """No state may serve both splits, even where no gap is asked for."""
    with pytest.raises(UserError, match="0 h from the training state 2022-06-0[36]T"):
        check(train, held_out(tmp_path, sorted(days)))


@pytest.mark.parametrize(("gap_hours", "is_refused"), [(HOURS_APART, False), (HOURS_APART + 1, True)])
def test_held_out_dates_in_the_gap_are_refused(train, tmp_path, gap_hours, is_refused):
    """States nearer to training than the configured gap; the message names both."""
    store = held_out(tmp_path)
    if not is_refused:
        assert check(train, store, gap_hours)
        return
    expected = "states 325 h or more .* found 2022-06-20T00:00Z, 324 h from the training state 2022-06-06T12:00Z"
    with pytest.raises(UserError, match=expected):
        check(train, store, gap_hours)


def test_before_training_is_as_near_as_after(tmp_path):
    """The gap counts on either side."""
    train = StoreReader(make_store(tmp_path / "train", claim([10, 11])))
    with pytest.raises(UserError, match=r"36 h from the training state 2022-06-10T00"):
        check(train, held_out(tmp_path / "held_out", [8]), 37)


def test_no_held_out_snapshot_is_refused(train, tmp_path):
    """A store without a snapshot has nothing to be measured on."""
    path = held_out(tmp_path).paths.manifest
    content = json.loads(path.read_text())
    del content["sha256"]
    write_json(path, seal({**content, "snapshots": []}))
    with pytest.raises(UserError, match="at least one held-out snapshot, found none"):
        check(train, StoreReader(path))
