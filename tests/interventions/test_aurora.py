"""In a small Aurora: forecasts and rollouts, edits at some steps, replays, and the skip connection."""

import aurorascope
import pytest
import torch
from aurora import rollout
from aurorascope.backbone.checkpoint import save_weights
from aurorascope.backbone.model import checkpoint_path, head_arguments
from aurorascope.backbone.replay import Replay
from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.files import sha256_file, write_json
from aurorascope.interventions import Band, Clamp, Levels, Normal, Scale, intervene, reference
from aurorascope.interventions.places import Place
from aurorascope.perturbations.inputs import Inputs

from tests.backbone import small
from tests.interventions.linear import features_of, rows_of, sae_of

pytestmark = pytest.mark.filterwarnings("error::aurorascope.interventions.InterventionWarning")
SITES = ("encoder_s0_b5", "encoder_s1_b4", "decoder_s1_b9")
REGION = Band(-60, 60) & Levels("surface", "atmos_1")


def fields(forecast):
    return torch.cat([v[0, 0].reshape(-1) for v in (*forecast.surf_vars.values(), *forecast.atmos_vars.values())])


def two_steps(model, batch):
    with torch.inference_mode():
        return [fields(each) for each in rollout(model, batch, steps=2)]


def sae_at(name, architecture="jumprelu", seed=0):
    return sae_of(architecture, seed, BY_ID[name].width(16))


def output_of(model, batch, name):
    """A block's output, (n_tokens, d), under whatever edits are made."""
    seen = []
    hook = BY_ID[name].module(model).register_forward_hook(lambda _m, _a, out: seen.append(out[0].clone()))
    with torch.inference_mode():
        model(batch)
    hook.remove()
    return seen[0]


@pytest.fixture(scope="module")
def clean(model, batch):
    return two_steps(model, batch)


def test_no_change_is_bit_equal_in_a_rollout(model, batch, clean):
    """Several blocks and kinds of SAE, one with a region of its own."""
    saes = {name: sae_at(name, kind) for name, kind in zip(SITES, ("abstopk", "jumprelu", "relu"), strict=True)}
    edits = [Scale(list(range(saes[name].d_hidden)), 1.0, block=name) for name in SITES]
    with pytest.warns(UserWarning, match="touched no token") as caught, intervene(model, saes, edits) as log:
        found = two_steps(model, batch)
    assert all(torch.equal(*pair) for pair in zip(found, clean, strict=True))
    assert log.steps == [0, 1] and len(caught) == 3 == len({row.block for row in log.rows})
    assert all(max(row.exposure) > 0 for row in log.rows)


def test_an_edit_of_a_step_is_seen_from_that_step_on(model, batch, clean):
    """Also in the second step's own forward, which a rollout runs without calling the model."""
    saes, edit = {SITES[1]: sae_at(SITES[1])}, Clamp([3, 5], 0.5)
    for steps, changes in (({0}, [True, True]), ({1}, [False, True])):
        with intervene(model, saes, edit, where=REGION, steps=steps) as log:
            found = two_steps(model, batch)
        assert [not torch.equal(*pair) for pair in zip(found, clean, strict=True)] == changes
        assert all(each.isfinite().all() for each in found)
        assert [row.step for row in log.rows] == sorted(steps) and log.steps == [0, 1]
    with intervene(model, saes, edit, where=REGION, steps={0}), torch.inference_mode():
        assert not torch.equal(fields(model(batch)), clean[0])
    assert all(torch.equal(*pair) for pair in zip(two_steps(model, batch), clean, strict=True))


@pytest.mark.parametrize("name", SITES)
def test_the_next_module_reads_x_with_the_change_and_other_tokens_as_they_were(model, batch, name):
    """At the block: x + (h' - h) W_dec inside the region, the clean bits outside."""
    block, sae, features = BY_ID[name], sae_at(name), [3, 5, 9]
    x = output_of(model, batch, name)
    with intervene(model, {name: sae}, Scale(features, 3.0), where=REGION) as log:
        found = output_of(model, batch, name)
    held = torch.from_numpy(REGION.holds(Place.of_batch(block, batch)))
    h = features_of(sae, x)[:, features]
    expected = x.double() + (2 * h * held[:, None]) @ rows_of(sae, features)
    is_same = (found == x).all(1)
    assert torch.allclose(found.double(), expected, atol=1e-5)
    assert is_same[~held].all() and not is_same[held & (h > 0).any(1)].any()
    assert log.rows[0].touched == int((held & (h > 0).any(1)).sum()) > 0


def test_a_replayed_forecast_is_that_of_a_whole_forward(model, batch, clean):
    """The replay keeps its clean outputs: edits do not write into them."""
    name = SITES[1]
    saes, edit = {name: sae_at(name)}, Clamp([3, 5], 0.5)
    replay = Replay(model, batch)
    replay.advance(BY_ID[name])
    with torch.inference_mode(), intervene(model, saes, edit, where=REGION):
        whole = fields(model(batch))
        assert torch.equal(fields(replay.forecast()), whole)
    assert torch.equal(fields(replay.forecast()), clean[0]) and not torch.equal(whole, clean[0])


def test_the_last_block_of_the_first_stage_also_changes_the_skip(model, batch):
    """Aurora's decoder reads it a second time: its second half is what the edited block gave."""
    name, read = SITES[0], []
    hook = model.decoder.register_forward_pre_hook(lambda _m, args: read.append(args[0].clone()))
    with torch.inference_mode():
        model(batch)
        with intervene(model, {name: sae_at(name)}, Clamp([3, 5], 0.5), where=REGION):
            model(batch)
    hook.remove()
    moved = (read[0] != read[1]).any(-1)[0]
    skip = (read[0][..., 16:] != read[1][..., 16:]).any(-1)[0]
    held = torch.from_numpy(REGION.holds(Place.of_batch(BY_ID[name], batch)))
    assert moved.all() and torch.equal(skip, held)


def test_a_feature_that_an_earlier_edit_raised_is_restored(model, batch):
    """The reference is of the clean model: what the edit of the block before raised above normal comes down to normal."""
    first, name = "encoder_s1_b4", "encoder_s1_b5"
    saes = {first: sae_at(first), name: sae_at(name, "relu", seed=1)}
    known = reference(model, {name: saes[name]}, [3, 5, 9], [batch])
    raise_it = Scale(list(range(20)), 1.5, block=first)
    with intervene(model, {first: saes[first]}, raise_it):
        raised = output_of(model, batch, name)
    with intervene(model, saes, [raise_it, Normal([3, 5, 9], known, block=name)]):
        restored = output_of(model, batch, name)
    normal = torch.from_numpy(known[name].active_mean_f).nan_to_num()
    excess = (features_of(saes[name], raised)[:, [3, 5, 9]] - normal).clamp(min=0)
    assert excess.max() > 0.01
    assert torch.allclose(restored.double(), raised - excess @ rows_of(saes[name], [3, 5, 9]), atol=1e-5)


@pytest.mark.parametrize("form", ["relu", "topk"])
def test_under_autocast_edits_are_computed_in_full(batch, form):
    """bfloat16 products of the SAE would give other features."""
    model, name, features = small.small_model(), SITES[1], list(range(24))
    model.autocast_backbone, sae = True, sae_at(name, form)
    x = output_of(model, batch, name)
    with intervene(model, {name: sae}, Scale(features, 0.8), where=REGION) as log:
        found = output_of(model, batch, name)
    held = torch.from_numpy(REGION.holds(Place.of_batch(BY_ID[name], batch)))
    h = features_of(sae, x)[:, features] * held[:, None]
    assert x.dtype == torch.bfloat16 and torch.equal(found, (x.double() - 0.2 * h @ rows_of(sae, features)).to(x.dtype))
    assert log.rows[0].touched == int((h > 0).any(1).sum()) > 0
    assert not torch.equal(found, x)


def test_the_model_of_a_results_folder_is_opened(model, tmp_path):
    """With the weights of its file, but for those that Aurora sets to zero whenever it loads a checkpoint."""
    record = tmp_path / "scratch" / "checkpoint" / "checkpoint.json"
    save_weights(model, checkpoint_path(record))
    content = {"kind": "checkpoint", "embed_dim": 16, "arguments": head_arguments(16), "sha256": sha256_file(checkpoint_path(record))}
    write_json(record, content)
    opened = aurorascope.load_model(tmp_path)
    found = opened.state_dict()
    other = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, found[name])}
    assert len(other) < 20 and all(name.endswith(".weights.z") for name in other) and not opened.training
    checkpoint_path(record).write_bytes(b"another")
    with pytest.raises(UserError, match="sha256"):
        aurorascope.load_model(str(tmp_path))
    (tmp_path / "results").mkdir()
    with pytest.raises(UserError, match="checkpoint.json"):
        aurorascope.load_model(tmp_path / "results")


@pytest.mark.parametrize("load", [aurorascope.load_model, lambda folder: aurorascope.load_batch("2022-06-01", results=folder),
                                  lambda folder: Inputs.load("2022-06-01", results=folder)], ids=["model", "batch", "inputs"])
def test_where_no_folder_of_results_is_nothing_is_proposed_to_be_made(tmp_path, load):
    (tmp_path / "saes").mkdir()
    for name, found in (("result", "no such folder"), ("saes", "a folder without scratch and run.json")):
        with pytest.raises(UserError, match=rf"{name}: expected the results folder of a run, found {found}\. Next: give results=") as caught:
            load(tmp_path / name)
        assert "snakemake" not in str(caught.value)
