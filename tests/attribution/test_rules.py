"""Planted truth: what each feature carries of y is known, by both rules, for all released forms."""

import numpy as np
import pytest
import torch
from aurorascope.attribution import midpoint
from aurorascope.attribution.agreement import IS_TRUSTED, NOT_TRUSTED, agreement, strongest, word
from aurorascope.attribution.checks import check_block
from aurorascope.attribution.entries import Coding, entries_of
from aurorascope.attribution.gradient import by_gradient
from aurorascope.attribution.midpoint import by_midpoints
from aurorascope.attribution.usual import UsualFile
from aurorascope.backbone.relevance import scales_held
from aurorascope.backbone.replay import Replay

from tests.architectures import ARCHITECTURES
from tests.attribution.planted import BLOCKS, DAY, QUIET, Bent, Forecasting, Gated, Wavy, parts_of_x, usual_of, value_of
from tests.interventions.linear import features_of, output_of, rows_of, sae_of
from tests.studies.linear import batch_of

LAST = BLOCKS[-1]


@pytest.fixture(scope="module")
def line():
    return Forecasting()


@pytest.fixture(scope="module", params=ARCHITECTURES)
def made(request, line, tmp_path_factory):
    """SAEs of a form at all blocks, and what these usually are."""
    saes = {block: sae_of(request.param, seed=block.block) for block in BLOCKS}
    return saes, usual_of(tmp_path_factory.mktemp("usual"), line, saes)


def gradients_of(model, saes, usual, batch=DAY, **changes):
    """Effects by block, y, and the value with its clean forecast."""
    found, value = {}, value_of(batch, **changes)
    y = by_gradient(model, batch, value, saes, usual, found.__setitem__)
    return found, y, value


def checks_of(model, block, sae, usual, features, batch=DAY, **changes):
    value, replay = value_of(batch, **changes), Replay(model, batch)
    replay.advance(block)
    clean = replay.forecast()
    value.set_clean(clean)
    return check_block(model, replay, block, value, value.read(clean), sae, usual, np.asarray(features, np.int64))


def midpoints_of(model, block, sae, usual, n_points, batch=DAY):
    value, replay = value_of(batch), Replay(model, batch)
    replay.advance(block)
    value.set_clean(replay.forecast())
    return by_midpoints(model, replay, block, value, sae, usual, n_points)


def test_position_means_are_those_of_dense_codes(made, line):
    """Of features with their signs and of outputs, from codes of which only what is on was ever kept."""
    saes, usual = made
    for block, sae in saes.items():
        x_dnd = torch.stack([output_of(line, QUIET[date], block.id).float() for date in sorted(QUIET)])
        h_nf = torch.stack([features_of(sae, x_nd) for x_nd in x_dnd])
        coding = Coding.of(sae)
        parts = (h_nf.clamp(min=0), (-h_nf).clamp(min=0)) if coding.signed else (h_nf,)
        b_nf = torch.stack([part.mean(dim=0) for part in parts], dim=-1).flatten(1)
        assert torch.allclose(usual[block].output(), x_dnd.mean(dim=0), atol=1e-6)
        entries = usual[block].entries()
        assert np.allclose(entries.of(np.arange(coding.n)), b_nf, atol=1e-6)
        assert (entries.value > 0).all() and len(entries.value) == int((b_nf > 0).sum())
        some = usual[block].entries(17, 40)
        assert np.array_equal(some.of(np.array([3, 1])), entries.of(np.array([3, 1]))[17:40])


def test_effects_are_the_closed_form_and_exact_ablation_where_y_is_linear(made, line):
    """To 1e-5 of the largest; signs of a signed SAE are features of their own; features and error add up to all there is."""
    saes, usual = made
    found, y, value = gradients_of(line, saes, usual)
    for block, sae in saes.items():
        features = np.arange(Coding.of(sae).n)
        check = checks_of(line, block, sae, usual[block], features)
        effect_f = found[block].effect_f
        assert np.abs(effect_f - check.exact_k).max() <= 1e-5 * np.abs(check.exact_k).max()
        assert (np.abs(check.exact_k) > 0).sum() > len(features) / 4
        assert y == pytest.approx(check.y, rel=1e-12) and value.floor() == pytest.approx(check.floor)
        # Completeness: all there is, features and error node, is what y changes by.
        assert found[block].total == pytest.approx(check.at_mean, rel=1e-5)
        assert effect_f.sum() != pytest.approx(found[block].total, rel=1e-3)


def test_counts_are_those_of_dense_codes(made, line):
    saes, usual = made
    found = gradients_of(line, saes, usual)[0]
    for block, sae in saes.items():
        h_nf = features_of(sae, output_of(line, DAY, block.id).float())
        parts = (h_nf.clamp(min=0), (-h_nf).clamp(min=0)) if Coding.of(sae).signed else (h_nf,)
        v_nf = torch.stack(parts, dim=-1).flatten(1)
        assert np.array_equal(found[block].n_active_f, (v_nf > 0).sum(dim=0))
        assert np.allclose(found[block].sum_f, v_nf.sum(dim=0))
        assert found[block].n_tokens == len(v_nf)


def test_what_the_sae_does_not_explain_is_the_error_nodes(line, tmp_path):
    """The error node's effect is that of the error put to its position mean, computed densely."""
    sae = sae_of("topk", seed=4)
    usual = usual_of(tmp_path, line, {LAST: sae})
    found = gradients_of(line, {LAST: sae}, usual)[0][LAST]
    x_nd, x_bar_nd = output_of(line, DAY, LAST.id), usual[LAST].output().double()
    b_nf = torch.from_numpy(usual[LAST].entries().of(np.arange(sae.d_hidden)))
    rows_fd = rows_of(sae, list(range(sae.d_hidden)))
    error_nd, usual_error_nd = x_nd - features_of(sae, x_nd.float()) @ rows_fd, x_bar_nd - b_nf @ rows_fd

    def y_of(x_nd):
        value = value_of()
        value.set_clean(line(DAY))
        handle = LAST.module(line).register_forward_hook(lambda *_: x_nd[None])
        try:
            return value.read(line(DAY))
        finally:
            handle.remove()

    expected = y_of(x_nd + usual_error_nd - error_nd) - y_of(x_nd)
    assert found.total - found.effect_f.sum() == pytest.approx(expected, rel=1e-4)


def test_features_that_are_off_have_effects_from_their_mean_alone(line, tmp_path):
    """One that is on on quiet dates only, and one that never is."""
    sae = parts_of_x()
    with torch.no_grad():
        # On where the channel is above the day's largest value, which quiet dates exceed.
        x_nd = output_of(line, DAY, LAST.id)
        sae.W_enc[0, 16], sae.b_enc[16] = 1, -float(x_nd[:, 0].max()) - 1e-3
    quiet = {**QUIET, "2022-07-20": batch_of(6.0, 20, month=7)}
    usual = usual_of(tmp_path, line, {LAST: sae}, quiet)
    found = gradients_of(line, {LAST: sae}, usual)[0][LAST]
    assert found.n_active_f[16:].sum() == 0 and not found.effect_f[17:].any()
    exact = checks_of(line, LAST, sae, usual[LAST], [16]).exact_k[0]
    assert exact != 0 and found.effect_f[16] == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("n_points", [1, 2, 4, 5])
def test_midpoints_are_exact_where_y_is_quadratic(n_points, tmp_path):
    """Of the whole way of a block: completeness is 1."""
    bent, sae = Bent(), parts_of_x()
    usual = usual_of(tmp_path, bent, {LAST: sae})
    found = midpoints_of(bent, LAST, sae, usual[LAST], n_points)
    check = checks_of(bent, LAST, sae, usual[LAST], [])
    assert found.total == pytest.approx(check.at_mean, rel=1e-5)
    assert found.effect_f.sum() == pytest.approx(found.total, rel=1e-5)


def test_left_ends_and_the_clean_point_are_wrong_where_midpoints_are_exact(monkeypatch, tmp_path):
    """y = h^2 from h to b: the left rule is off by (b - h)^2 / S, the gradient at the clean point by (b - h)^2."""
    bent, sae = Bent(), parts_of_x()
    usual = usual_of(tmp_path, bent, {LAST: sae})
    at_mean = checks_of(bent, LAST, sae, usual[LAST], []).at_mean
    plain = gradients_of(bent, {LAST: sae}, usual)[0][LAST].total
    exact = midpoints_of(bent, LAST, sae, usual[LAST], 4).total

    def left(gradient, n_points):
        return sum(gradient(point / n_points) for point in range(n_points)) / n_points

    monkeypatch.setattr(midpoint, "mean_gradient", left)
    by_left = midpoints_of(bent, LAST, sae, usual[LAST], 4).total
    assert exact == pytest.approx(at_mean, rel=1e-5)
    assert abs(by_left - at_mean) > 0.02 * abs(at_mean)
    assert by_left - at_mean == pytest.approx((plain - at_mean) / 4, rel=1e-4)


def test_midpoints_of_one_number():
    """Truth -1 from 1 to 0; the left rule would have -1.25 with 4 points, the slope at 1 has -2."""
    for n_points in (1, 3, 4):
        slope = midpoint.mean_gradient(lambda alpha: torch.tensor(2 * (1 - alpha), dtype=torch.float64), n_points)
        assert -float(slope) == pytest.approx(-1, abs=1e-12)


def test_attributions_that_do_not_agree_are_not_trusted(line, tmp_path):
    """Where y goes up and down on the way of each feature its slope at the clean point says nothing; where y is linear all agree."""
    sae = sae_of("relu", seed=2)
    for model, expected in ((Wavy(), NOT_TRUSTED), (line, IS_TRUSTED)):
        usual = usual_of(tmp_path / expected, model, {LAST: sae})
        found, _, value = gradients_of(model, {LAST: sae}, usual)
        features = strongest(found[LAST].effect_f, 20)
        check = checks_of(model, LAST, sae, usual[LAST], features)
        judged = agreement(found[LAST].effect_f[features], check.exact_k, value.floor())
        assert word(judged) == expected, judged
    assert judged["correlation"] == pytest.approx(1) and judged["slope"] == pytest.approx(1, rel=1e-4)
    assert judged["sign_agreement"] == 1 and judged["why"] == {}


def test_relevance_is_exact_where_a_gate_decides_and_gradients_are_not_trusted(tmp_path):
    """Channels through GELU, their parts above and below zero put to zero: gates at the clean point tell all of it, slopes of those below
    not even the sign."""
    model, sae = Gated(), parts_of_x()
    usual = usual_of(tmp_path, model, {LAST: sae}, {"2022-07-03": batch_of(0.0, 3, month=7), "2022-07-09": batch_of(0.0, 9, month=7)})
    terms = [{"variable": name, "coefficient": 1 + at} for at, name in enumerate(model.variables)]
    plain = gradients_of(model, {LAST: sae}, usual, variable=None, terms=terms)[0][LAST].effect_f
    with scales_held(model):
        held = gradients_of(model, {LAST: sae}, usual, variable=None, terms=terms)[0][LAST].effect_f
    features = np.flatnonzero(plain)
    check = checks_of(model, LAST, sae, usual[LAST], features, variable=None, terms=terms)
    assert len(features) == 2 * len(terms) and np.allclose(held[features], check.exact_k, rtol=1e-5)
    below = features >= 8
    by_slope, by_gate = (agreement(each[features[below]], check.exact_k[below], check.floor) for each in (plain, held))
    assert word(by_gate) == IS_TRUSTED and by_gate["correlation"] == pytest.approx(1) and by_gate["sign_agreement"] == 1
    assert word(by_slope) == NOT_TRUSTED and by_slope["sign_agreement"] == 0


def test_entries_are_what_the_sae_has_on(line):
    for form in ARCHITECTURES:
        sae = sae_of(form)
        x_nd = output_of(line, DAY, LAST.id).float()
        entries, coding = entries_of(sae, x_nd), Coding.of(sae)
        v_nf = entries.of(np.arange(coding.n))
        h_nf = v_nf[:, ::2] - v_nf[:, 1::2] if coding.signed else v_nf
        assert np.array_equal(h_nf, features_of(sae, x_nd))


def test_jobs_that_make_the_same_means_do_not_meet(line, tmp_path):
    """One that begins while another is at it ends with the same bytes, date by date in turn."""
    sae, means = sae_of("topk", seed=4), [tmp_path / "shared.safetensors"] * 2 + [tmp_path / "alone.safetensors"]
    x_nd = [output_of(line, QUIET[date], LAST.id).float() for date in sorted(QUIET)]
    first, second, alone = (UsualFile(path, tmp_path / f"sums{at}", len(x_nd)) for at, path in enumerate(means))
    first.add(0, sae, x_nd[0])
    for place in range(len(x_nd)):
        second.add(place, sae, x_nd[place])
        if place:
            first.add(place, sae, x_nd[place])
        alone.add(place, sae, x_nd[place])
    assert means[0].read_bytes() == means[2].read_bytes() and [path.name for path in tmp_path.iterdir() if path.name.startswith("sums")] == []
