"""Edits that take what features usually are from the SAE of a suite: the same as with a reference of the same dates."""

import numpy as np
import pytest
import torch
from aurorascope.errors import UserError
from aurorascope.features.statistics import UsualSums
from aurorascope.interventions import Add, Clamp, Mean, Normal, PositionMean, intervene, reference
from aurorascope.interventions.places import Place
from aurorascope.interventions.values import on_device
from aurorascope.measures.held_out.usual import usual_table
from aurorascope.sae.aurora_sae import AuroraSAE

from tests.interventions.linear import BLOCKS, FIRST, SECOND, batch_of, features_of, output_of, sae_of

BATCHES = [batch_of(value, day=day) for day, value in enumerate((0.4, -0.7, 0.2, 1.1), 1)]


def opened(line, architecture="relu"):
    """An SAE that says of its features what all of them are on these dates."""
    sae = sae_of(architecture)
    signed = architecture == "abstopk"
    sums = UsualSums(Place.of_batch(BLOCKS[1], BATCHES[0]).area_n, sae.d_hidden, len(BATCHES), signed)
    for each in BATCHES:
        sums.add(features_of(sae, output_of(line, each, SECOND)).numpy().astype(np.float32))
    table = usual_table(sums, signed)
    sae.read_statistics = lambda: table
    return sae


@pytest.mark.parametrize("architecture", ["relu", "jumprelu", "abstopk"])
@pytest.mark.parametrize("edit", [Mean, lambda features, usual=None: Clamp(features, "0.2*p99", usual)], ids=["mean", "clamp"])
def test_the_same_as_with_a_reference_of_the_same_dates(line, architecture, edit):
    sae = opened(line, architecture)
    table = sae.statistics()
    one, other = table.sort_values("mean", ascending=False)[["feature", "sign"]].drop_duplicates("feature").to_numpy()[:2].tolist()
    features = [tuple(one), tuple(other)]
    known = reference(line, {SECOND: sae}, features, BATCHES)
    found = []
    for given in (edit(features), edit(features, known)):
        with intervene(line, {SECOND: sae}, given) as log:
            found.append(output_of(line, BATCHES[0], SECOND))
        assert log.rows[0].touched > 0
    clean = output_of(line, BATCHES[0], SECOND)
    assert torch.allclose(found[0], found[1], rtol=1e-5, atol=1e-6) and not torch.allclose(found[0], clean, atol=1e-3)


def test_a_reference_wins(line):
    sae = opened(line)
    feature = int(sae.statistics()["mean"].argmax())
    known = reference(line, {SECOND: sae}, feature, [batch_of(0.0)])
    outputs = []
    for given in (Mean(feature), Mean(feature, known)):
        with intervene(line, {SECOND: sae}, given):
            outputs.append(features_of(sae, output_of(line, BATCHES[3], SECOND)))
    assert not torch.allclose(*outputs, atol=1e-3)


def test_what_a_suite_says_is_kept_on_another_device(line):
    """The copy says the same of its features."""
    sae = opened(line)
    sae.block_id = SECOND
    copy = on_device(sae, torch.device("cpu:0"))
    assert copy is not sae and copy.read_statistics is sae.read_statistics and copy.block_id == SECOND


@pytest.mark.parametrize("changed", [lambda sae: sae, lambda sae: sae.keep(2), lambda sae: sae.prune(list(range(sae.d_hidden)), sae.d_model)[0]])
def test_the_sae_of_another_block_is_refused_unless_a_file_alone_was_opened(line, changed):
    sae = sae_of("topk")
    sae.block_id = FIRST
    refused = f"the SAE of {SECOND}: expected one that was trained on this block, found that of {FIRST}. Next: take suite"
    with pytest.raises(UserError, match=refused), intervene(line, {SECOND: changed(sae)}, Mean(3)):
        pass
    with pytest.raises(UserError, match=refused):
        reference(line, {SECOND: changed(sae)}, 3, BATCHES)
    sae.block_id = None
    with intervene(line, {SECOND: changed(sae)}, Add(torch.ones(8), 0.01)) as log:
        line(BATCHES[0])
    assert len(log.rows) == 1


def test_without_a_suite_one_line_says_what_to_open(line):
    for edit in (Mean(3), Clamp(3, "p99")):
        with pytest.raises(UserError, match=r'open it with Suite\.open\("results"\)\["encoder_s0_b1"\], or give reference=') as error, \
                intervene(line, {SECOND: sae_of()}, edit):
            pass
        assert "\n" not in str(error.value)
    for edit in (Normal, PositionMean):
        with pytest.raises(UserError, match="give reference="):
            edit(3)
    with pytest.raises(ValueError, match="Open it with aurorascope.Suite"):
        AuroraSAE(8, 2).statistics()


def test_a_feature_that_was_never_on_has_no_percentile(line):
    sae = opened(line)
    table = sae.statistics()
    table.loc[table.feature == 5, ["active_mean", "p99"]] = np.nan
    with pytest.raises(UserError, match=r"on somewhere on the held-out dates of its suite, found \(5, 1\) never on"), \
            intervene(line, {SECOND: sae}, Clamp(5, "2*p99")):
        line(BATCHES[0])
