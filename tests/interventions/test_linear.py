"""In a linear model an edit's effect is known: y changes by A (h' - h) W_dec, and by nothing else."""

import pytest
import torch
from aurorascope.backbone.splice import splice
from aurorascope.blocks import BY_ID
from aurorascope.interventions import Ablate, Active, Add, Clamp, Disk, InterventionWarning, Levels, Scale, intervene
from aurorascope.interventions.places import Place

from tests.interventions.linear import (
    BLOCKS,
    FIRST,
    LAST,
    SECOND,
    WIDTH,
    batch_of,
    features_of,
    output_of,
    rows_of,
    sae_of,
)

pytestmark = pytest.mark.filterwarnings("error")
REGION = Disk(20, 100, km=4000) & Levels("surface", "atmos_2")


def held(batch, region=REGION):
    return torch.from_numpy(region.holds(Place.of_batch(BLOCKS[0], batch)))


def changed(model, batch, *args, **kwargs):
    """The outcome with edits less the clean one."""
    with intervene(model, *args, **kwargs):
        edited = model(batch)
    return (edited - model(batch))[0]


@pytest.mark.parametrize("architecture", ["relu", "jumprelu", "topk"])
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.id)
def test_the_effect_is_what_algebra_says(line, architecture, block):
    batch, sae = batch_of(), sae_of(architecture)
    h_nh = features_of(sae, output_of(line, batch, block.id))
    features = h_nh[held(batch)].sum(0).topk(3).indices.tolist()
    delta_nh = torch.zeros_like(h_nh)
    delta_nh[:, features] = -h_nh[:, features] * held(batch)[:, None]
    expected = line.after(delta_nh @ rows_of(sae, slice(None)), block)
    effect = changed(line, batch, {block.id: sae}, [Ablate(features)], where=REGION)
    assert expected.abs().max() > 0.01
    assert torch.allclose(effect, expected, atol=1e-6, rtol=0)


def test_the_opposite_dose_has_the_opposite_effect_and_half_of_it_half(line):
    batch, sae = batch_of(), sae_of()
    effects = {dose: changed(line, batch, {SECOND: sae}, Scale([3, 5, 9], 2.5, dose=dose), where=REGION) for dose in (1, -1, 0.5)}
    size = effects[1].abs().max()
    assert size > 0.01
    assert (effects[1] + effects[-1]).abs().max() < 1e-12 * size
    assert (effects[1] - 2 * effects[0.5]).abs().max() < 1e-12 * size


def test_outside_the_region_the_block_keeps_its_bits(line):
    batch, sae = batch_of(), sae_of()
    clean = output_of(line, batch, SECOND)
    with intervene(line, {SECOND: sae}, Clamp(list(range(8)), 0.2), where=REGION):
        edited = output_of(line, batch, SECOND)
    is_same = (edited == clean).all(1)
    assert torch.equal(~is_same, held(batch)) and 0 < held(batch).sum() < len(clean) / 4


def test_what_the_sae_does_not_explain_stays(line):
    """Ablating everything leaves x - h W_dec, not the decoder's bias, which a splice of the edited reconstruction would leave."""
    batch, sae = batch_of(), sae_of()
    x = output_of(line, batch, LAST)
    with intervene(line, {LAST: sae}, Ablate(list(range(sae.d_hidden)))):
        left = line(batch)[0]
    assert torch.allclose(left, x - features_of(sae, x) @ rows_of(sae, slice(None)), atol=1e-6)
    assert not torch.allclose(left, sae.b_dec.detach().double().expand_as(left), atol=0.1)


def test_a_silent_feature_touches_nothing_and_is_warned_of(line):
    batch, sae = batch_of(), sae_of()
    with torch.no_grad():
        sae.b_enc[4] = -1e3
    with pytest.warns(InterventionWarning, match="Ablate at encoder_s0_b1 touched no token: in its region"), \
            intervene(line, {SECOND: sae}, [Ablate(4), Ablate(3)]) as log:
        edited = line(batch)
    assert [row.touched > 0 for row in log.rows] == [False, True] and log.rows[0].exposure == (0.0,)
    assert len(log.warned) == 1
    with pytest.warns(InterventionWarning), intervene(line, {SECOND: sae}, Scale(4, 7.0)):
        untouched = line(batch)
    assert torch.equal(untouched, line(batch)) and not torch.equal(edited, line(batch))


def test_later_blocks_see_what_earlier_edits_brought_about(line):
    """Both edits together are the second one made on what the first one left; the order of the SAEs does not matter."""
    batch, first, last = batch_of(), sae_of(seed=1), sae_of(seed=2)
    edits = [Scale([0, 1, 2], -1.0, block=LAST), Clamp([5], 0.2, block=FIRST)]
    with intervene(line, {LAST: last, FIRST: first}, edits, where=REGION) as log:
        both = line(batch)[0]
    assert [(row.block, row.edit) for row in log.rows] == [(FIRST, 1), (LAST, 0)]
    with intervene(line, {FIRST: first}, edits[1], where=REGION):
        x = output_of(line, batch, LAST)
    h = features_of(last, x)
    change = torch.zeros_like(h)
    change[:, :3] = -2 * h[:, :3] * held(batch)[:, None]
    assert torch.allclose(both, x + change @ rows_of(last, slice(None)), atol=1e-6)
    clean = output_of(line, batch, LAST)
    assert not torch.allclose(both - x, line(batch)[0] - clean, atol=1e-3)


def test_edits_of_one_block_follow_each_other(line):
    """Doubling and then ablating ablates; ablating and then setting sets; each one's own change is logged."""
    batch, sae = batch_of(), sae_of()
    alone = changed(line, batch, {SECOND: sae}, Ablate(3))
    assert torch.allclose(changed(line, batch, {SECOND: sae}, [Scale(3, 2.0), Ablate(3)]), alone, atol=1e-6)
    both = changed(line, batch, {SECOND: sae}, [Ablate(3), Clamp(3, 0.2)])
    assert torch.allclose(both, changed(line, batch, {SECOND: sae}, Clamp(3, 0.2)), atol=1e-6)


def test_a_region_of_an_edit_lies_inside_that_of_all(line):
    batch, sae, inner = batch_of(), sae_of(), Disk(20, 120, km=4000)
    with intervene(line, {SECOND: sae}, [Clamp(3, 0.2, where=inner), Clamp(5, 0.2)], where=REGION) as log:
        line(batch)
    expected = [int(held(batch, REGION & inner).sum()), int(held(batch).sum())]
    assert [row.in_region for row in log.rows] == expected == [row.touched for row in log.rows] and expected[0] < expected[1]


def test_where_active_follows_each_feature_or_those_named(line):
    batch, sae = batch_of(), sae_of()
    h = features_of(sae, output_of(line, batch, SECOND))
    for region, is_on in ((Active(), h[:, [3, 5]] > 0), (Active([7, 8]), ((h[:, [7]] > 0) | (h[:, [8]] > 0)).expand(-1, 2))):
        effect = changed(line, batch, {SECOND: sae}, Clamp([3, 5], 0.4), where=region & REGION)
        change = torch.where(is_on & held(batch)[:, None], 0.4 - h[:, [3, 5]], 0.0)
        assert torch.allclose(effect, line.after(change @ rows_of(sae, [3, 5]), BLOCKS[1]), atol=1e-6)
    either = changed(line, batch, {SECOND: sae}, Clamp(3, 0.4), where=Active(7) | REGION)
    change = torch.where((h[:, [7]] > 0) | held(batch)[:, None], 0.4 - h[:, [3]], 0.0)
    assert torch.allclose(either, line.after(change @ rows_of(sae, [3]), BLOCKS[1]), atol=1e-6)


def test_a_direction_is_added_to_the_tokens_of_the_region(line):
    batch, sae = batch_of(), sae_of()
    direction, amount = torch.linspace(-0.3, 0.3, WIDTH, dtype=torch.float64), torch.linspace(0, 2, len(held(batch)), dtype=torch.float64)
    effect = changed(line, batch, {SECOND: sae}, Add(direction, amount, dose=-0.5), where=REGION)
    change = -0.5 * (amount * held(batch))[:, None] * direction
    assert torch.allclose(effect, line.after(change, BLOCKS[1]), atol=1e-6)
    effect = changed(line, batch, {SECOND: sae}, Add(direction.numpy(), 0.3, where=Active(3)), where=REGION)
    h = features_of(sae, output_of(line, batch, SECOND))[:, 3]
    assert torch.allclose(effect, line.after(0.3 * ((h > 0) & held(batch))[:, None] * direction, BLOCKS[1]), atol=1e-6)


def test_each_member_of_a_batch_is_edited_by_itself(line):
    sae, batch = sae_of(), batch_of(members=2)
    batch.surf_vars["2t"][1] *= -1.5
    with intervene(line, {SECOND: sae}, Ablate([3, 5]), where=REGION) as log:
        both = line(batch)
    for member, value in enumerate((1.0, -1.5)):
        with intervene(line, {SECOND: sae}, Ablate([3, 5]), where=REGION):
            assert torch.allclose(line(batch_of(value))[0], both[member], atol=1e-6)
    assert [row.member for row in log.rows] == [0, 1] and log.rows[0].exposure != log.rows[1].exposure


def test_gradients_pass_an_edited_token_as_they_are(line):
    """What is added is constant: the gradient at the edited block is that of the clean model."""
    batch, sae = batch_of(), sae_of()

    def gradient():
        kept = []
        hook = BY_ID[SECOND].module(line).register_forward_pre_hook(lambda _, args: kept.append(args[0].requires_grad_()))
        line(batch)[0, 7].sum().backward()
        hook.remove()
        return kept[0].grad

    clean = gradient()
    with intervene(line, {SECOND: sae}, Clamp(3, 0.2)):
        assert torch.equal(gradient(), clean)


def test_an_edit_agrees_with_a_splice(line):
    batch, sae = batch_of(), sae_of()

    def replace(x_nd):
        h_nh = features_of(sae, x_nd)
        return x_nd + 0.5 * (h_nh @ rows_of(sae, slice(None)))

    with torch.no_grad(), splice(line, BY_ID[SECOND], replace):
        expected = line(batch)
    with intervene(line, {SECOND: sae}, Scale(list(range(sae.d_hidden)), 1.5)):
        assert torch.allclose(line(batch), expected, atol=1e-6)
