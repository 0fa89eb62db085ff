"""What is refused, and that nothing of the model has run by then."""

import numpy as np
import pytest
from aurorascope.config.thresholds import DEMO
from aurorascope.errors import UserError
from aurorascope.labels.all import label_dataset
from aurorascope.labels.claim import MadeFrom
from aurorascope.labels.write import write_day
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.studies import read_study, run_study

from tests.interventions import linear as blocks
from tests.studies import planted
from tests.studies.linear import BLOCK

READ_FEATURE = {"kind": "feature", "name": "read", "block": BLOCK, "feature": planted.STRONG}


@pytest.fixture
def refused(line, sae):
    """The message of a study that is refused before the model's encoder runs."""

    def run(saes=None, **changes):
        ran = []
        handle = line.encoder.register_forward_hook(lambda *_: ran.append(1))
        try:
            with pytest.raises(UserError) as caught:
                feature = changes.pop("feature", planted.STRONG)
                run_study(read_study(planted.given(feature) | changes), line, saes or {BLOCK: sae}, planted.batches())
        finally:
            handle.remove()
        assert not ran
        return str(caught.value)

    return run


@pytest.mark.parametrize(("changes", "words"), [
    ({"featurs": [1]}, "take features"),
    ({"block": "encoder_s0_c2"}, "take encoder_s0_b2"),
    ({"feature": 32}, "features 0 to 31"),
    ({"feature": (1, -1)}, "never negative"),
    ({"edit": "ablat"}, "take ablate"),
    ({"edit": {"ablate": 2}}, "ablate alone"),
    ({"edit": "scale"}, "{scale: factor}"),
    ({"edit": {"clamp": "3 p99"}}, "multiple such as"),
    ({"dates": ["2022-06-03"]}, "take 2022-06-0"),
    ({"dates": ["2022-6-3"]}, "YYYY-MM-DD"),
    ({"dates": []}, "at least one"),
    ({"region": {"disc": [0, 1, 2]}}, "take disk"),
    ({"region": {"disk": [0, 120]}}, "3 numbers: lat, lon, km"),
    ({"region": {"disk": [0.0, 120.0, 10.0]}}, "the study, region: expected at least one of its 288 tokens"),
    ({"region": {"disk": [0.0, 120.0, 10.0], "levels": [0]}}, "none in (Disk(lat=0.0, lon=120.0, km=10.0) & Levels('surface'))"),
    ({"placebo_degrees": 3}, "since the block's tokens are"),
    ({"region": {"band": [50, 20]}}, "southern latitude first"),
    ({"region": {"label": "dust"}}, "a folder of labels"),
    ({"steps": 0}, "at least 1"),
    ({"expected_sign": 2}, "1, -1 or none"),
    ({"placebo_degrees": 0}, "between 0 and 360"),
    ({"outcomes": [{"kind": "linearly", "name": "a"}]}, "take linear"),
    ({"outcomes": [{"kind": "linear", "name": "a", "variable": "t2"}]}, "take 2t"),
    ({"outcomes": [{"kind": "linear", "name": "a", "variable": "2t", "level": 500}]}, "level of 2t"),
    ({"outcomes": [{"kind": "linear", "name": "a", "variable": "2t", "region": {"levels": [0]}}]}, "region of cells"),
    ({"outcomes": [{"kind": "msl_min", "name": "a", "region": {"disk": [0.0, 3.0, 1.0]}}]}, "at least one cell"),
    ({"outcomes": [{"kind": "linear", "name": "a", "variable": "2t"}] * 2}, "each name once"),
    ({"outcomes": [READ_FEATURE]}, "which is outcome read"),
    ({"outcomes": [READ_FEATURE | {"feature": 9, "block": blocks.FIRST}]}, "the SAE of encoder_s0_b0"),
    ({"edit": "normal"}, "quiet dates"),
])
def test_bad_input_is_refused_before_any_forward(refused, changes, words):
    assert words in refused(**changes)


def test_a_label_is_looked_up_on_each_date(line, sae, tmp_path):
    """An unknown one names the nearest; one that is nowhere on a date is an empty region."""
    lat, lon = planted.batches()[planted.DATES[0]].metadata.lat.numpy(), np.arange(36) * 10.0
    mask_yx = np.zeros((18, 36), np.uint8)
    mask_yx[6:12, 9:18] = 1
    for date, share in zip(planted.DATES, (1, 1, 0), strict=True):
        mask = (mask_yx * share)[None]
        at = np.datetime64(f"{date}T12:00:00")
        data = label_dataset(["dust"], at, lat, lon, mask, mask.astype(np.uint16), mask.astype(np.float32))
        write_day(tmp_path, date, [data], DEMO, MadeFrom({f"{date}T12:00:00Z": "a" * 64}, "b" * 64, "c" * 64))

    def run(label, dates):
        asked = planted.study(planted.STRONG, region={"label": label}, dates=list(dates))
        return run_study(asked, line, {BLOCK: sae}, planted.batches(), labels=tmp_path)

    with pytest.raises(UserError, match="take dust"):
        run("dusty", planted.DATES[:1])
    with pytest.raises(UserError, match="at least one of its 288 tokens"):
        run("dust", planted.DATES)
    effects = run("dust", planted.DATES[:2]).effects
    assert (effects[effects.kind == "reconstruction"].touched == 4 * 2 * 3).all()


def near(sae, feature, other, cosine):
    """The SAE with a feature's decoder row at a cosine from another's."""
    tensors = {name: tensor.detach().clone() for name, tensor in sae.state_dict().items()}
    row_d, first_d = tensors["W_dec"][feature], tensors["W_dec"][other]
    rest_d = row_d - (row_d @ first_d) * first_d
    tensors["W_dec"][feature] = cosine * first_d + (1 - cosine**2) ** 0.5 * rest_d / rest_d.norm()
    return AuroraSAE.from_tensors(tensors)


@pytest.mark.parametrize("cosine", [0.46, -0.46])
def test_a_near_copy_of_the_outcome_is_refused(refused, sae, cosine):
    asked = [READ_FEATURE | {"feature": 9}]
    assert f"cosine {cosine}" in refused({BLOCK: near(sae, 8, 9, cosine)}, feature=8, outcomes=asked)


def test_a_feature_further_off_is_taken_and_no_control_is_near(line, sae):
    asked = planted.study(8, outcomes=[READ_FEATURE | {"feature": 9}])
    saes = {BLOCK: near(sae, 8, 9, 0.44)}
    found = run_study(asked, line, saes, planted.batches()).summary
    rows = saes[BLOCK].W_dec.detach()
    named = [each["features"][0][0] for each in found["controls"]]
    assert named and all(abs(float(rows[each] @ rows[9])) <= 0.45 for each in named) and 9 not in named


def test_no_sae_at_all_is_said(line):
    with pytest.raises(UserError, match=f"the SAE of {BLOCK}: expected one, since the study names this block, found none"):
        run_study(planted.study(planted.STRONG), line, {}, planted.batches())


def test_an_outcome_before_the_edit_is_refused(refused, sae):
    asked = [READ_FEATURE | {"feature": 9, "block": blocks.FIRST}]
    assert "changes nothing before" in refused({BLOCK: sae, blocks.FIRST: sae}, outcomes=asked)
