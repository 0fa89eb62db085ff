import contextlib
import os
import signal

import numpy as np
import pytest
import torch
from aurorascope.activations.feed import ResidentFeed
from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.sae.architectures import ARCHITECTURES
from aurorascope.sae.digest import tensor_digest
from aurorascope.sae.initial import initial_weights
from aurorascope.training import finished, trainer
from aurorascope.training.checkpoint import Checkpoint
from aurorascope.training.engine import SIGTERM_STATUS
from tiny import BLOCK, D_MODEL, grid

from tests.trained import train
from tests.training.settings import of, sae

CPU = torch.device("cpu")
AREA = grid(BLOCK).area.reshape(-1)
N_STEPS = 30
NOTES = {"rows": "24", "device": "cpu"}
ALWAYS = 1e-9  # minutes between two checkpoints
REVIVAL = {"dead_snapshots": 3}
CASES = {
    **{name: of(name) for name in ARCHITECTURES},
    **{f"{name}, rows, revived": of(name, shuffle="rows", revive="auxk", normalise=True, area_weights=True, **REVIVAL)
       for name in ARCHITECTURES},
    **{f"{name}, resampled": of(name, revive="resample", **REVIVAL) for name in ARCHITECTURES},
    "relu, many options": of("relu", target_l0=4.0, p_end=0.5, warm_up=0.2, decay=0.3, orthogonality=0.1, project=True,
                             area_weights=True, init="active_subspace", revive="auxk", **REVIVAL),
    "topk, mutual": of("topk", mutual_weight=0.3, revive="auxk", **REVIVAL),
    "abstopk, mutual, resampled": of("abstopk", mutual_weight=0.3, revive="resample", **REVIVAL),
    "batchtopk, growing": of("batchtopk", target_growth=0.5),
    "tuned": sae("tuned", epochs=3, **REVIVAL),
    "tuned, resampled": sae("tuned", epochs=4, revive="resample", **REVIVAL),
    "tuned, snapshots": sae("tuned", shuffle="snapshots", batch_rows=None, area_weights=True, **REVIVAL),
    "tuned in bfloat16": sae("tuned", epochs=3, precision="bfloat16", **REVIVAL),
}


@pytest.fixture(autouse=True)
def _some_are_dead(monkeypatch):
    """Six latents never fire by themselves, so that revival has something to do."""

    def silenced(*args):
        weights = initial_weights(*args)
        weights["b_enc"][:6] = -1e3
        return weights

    monkeypatch.setattr(trainer, "initial_weights", silenced)


@pytest.fixture
def place(tmp_path):
    return Checkpoint(tmp_path / "training", BLOCK, "c" * 64, "m" * 64)


class Steps:
    """Counts steps and calls something after some of them."""

    def __init__(self, monkeypatch):
        self.done, self.after = [], {}
        original = trainer.Trainer.step

        def step(self_, *args):
            original(self_, *args)
            self.done.append(self_.t)
            self.after.pop(self_.t, lambda: None)()

        monkeypatch.setattr(trainer.Trainer, "step", step)


@pytest.fixture
def steps(monkeypatch):
    return Steps(monkeypatch)


def run(feed, config, place=None):
    return train(feed, BY_ID[BLOCK], config, place, AREA)


def same(first, second):
    return (
        tensor_digest(first.weights) == tensor_digest(second.weights)
        and first.log.equals(second.log)
        and (first.n_steps, first.n_tokens_seen, first.scale) == (second.n_steps, second.n_tokens_seen, second.scale)
    )


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


class HardKill(BaseException):
    """Ends a training as no handler of it could see."""


def kill():
    raise HardKill


@pytest.mark.parametrize("name", CASES)
def test_stopped_and_resumed_is_as_good_as_undisturbed(reader, place, steps, name):
    """SIGTERM at any step saves and exits with 143; however often, the result has the undisturbed run's bytes."""
    straight = run(ResidentFeed(reader, CPU), CASES[name])
    n_steps, steps.done[:] = straight.n_steps, []
    rng = np.random.default_rng(len(name))
    stops = sorted(rng.choice(np.arange(1, n_steps), 4, replace=False).tolist())
    steps.after = {**dict.fromkeys(stops, terminate), n_steps: terminate}
    before = signal.getsignal(signal.SIGTERM)
    for _ in range(len(stops) + 1):
        with pytest.raises(SystemExit) as caught:
            run(ResidentFeed(reader, CPU), CASES[name], place)
        assert caught.value.code == SIGTERM_STATUS == 143
        assert signal.getsignal(signal.SIGTERM) == before
    assert same(run(ResidentFeed(reader, CPU), CASES[name], place), straight)
    # No step twice, none left out: the last stop came after the last step.
    assert steps.done == list(range(1, n_steps + 1))


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_a_killed_save_leaves_nothing_for_ever(reader, place, steps):
    """The next training deletes what was written of a checkpoint, also beside one that was set aside."""
    steps.after = {7: terminate}
    with pytest.raises(SystemExit):
        run(ResidentFeed(reader, CPU), CASES["relu"], place)
    left = place.path.with_name(f".{place.path.name}.abcd1234.partial")
    left.touch()
    assert place.load().step == 7 and not left.exists()


@pytest.fixture(params=[signal.default_int_handler])
def on_ctrl_c(request):
    """What Ctrl-C does outside training, whatever the shell that started these tests has set."""
    before = signal.signal(signal.SIGINT, request.param)
    yield request.param
    assert signal.signal(signal.SIGINT, before) == request.param


def test_ctrl_c_saves_and_a_second_one_does_not_wait(reader, place, steps, on_ctrl_c):
    """The first ends training after the step, as SIGTERM does; two within a step end it there, without a checkpoint."""
    straight = run(ResidentFeed(reader, CPU), CASES["relu"])
    steps.after = {7: interrupt, 9: lambda: (interrupt(), interrupt())}
    with pytest.raises(SystemExit) as caught:
        run(ResidentFeed(reader, CPU), CASES["relu"], place)
    assert (caught.value.code, place.load().step) == (143, 7)
    with pytest.raises(KeyboardInterrupt):
        run(ResidentFeed(reader, CPU), CASES["relu"], place)
    assert place.load().step == 7
    assert same(run(ResidentFeed(reader, CPU), CASES["relu"], place), straight)


@pytest.mark.parametrize("on_ctrl_c", [signal.SIG_IGN], indirect=True)
def test_ctrl_c_is_ignored_in_the_background(reader, steps, on_ctrl_c):
    """Where a shell made the process ignore it, a training does not end by it."""
    steps.after = {3: interrupt}
    assert run(ResidentFeed(reader, CPU), CASES["relu"]).n_steps == steps.done[-1]


def test_the_cases_revive(reader):
    """What the other tests interrupt has dead latents, and revival changes it."""
    for revived, plain in (("relu, resampled", "relu"), ("topk, resampled", "topk")):
        first, second = (run(ResidentFeed(reader, CPU), CASES[name]) for name in (revived, plain))
        assert tensor_digest(first.weights) != tensor_digest(second.weights)
    assert run(ResidentFeed(reader, CPU), CASES["tuned, snapshots"]).log["aux"].max() > 0


@pytest.mark.parametrize("name", ["relu", "batchtopk, rows, revived", "gated, resampled", "topk, mutual", "tuned"])
def test_a_hard_kill_loses_only_what_followed_the_last_checkpoint(reader, place, steps, monkeypatch, name):
    """Steps after the last checkpoint are done again, and the result is the same."""
    config = CASES[name]
    straight = run(ResidentFeed(reader, CPU), config)
    monkeypatch.setattr("aurorascope.training.engine.Saver.is_due", lambda saver, is_epoch_end: steps.done[-1] % 5 == 0)
    steps.after = {13: kill, 17: kill, 21: kill}
    steps.done.clear()
    for _ in range(3):
        with pytest.raises(HardKill):
            run(ResidentFeed(reader, CPU), config, place)
    assert same(run(ResidentFeed(reader, CPU), config, place), straight)
    expected = [*range(1, 14), *range(11, 18), *range(16, 22), *range(21, straight.n_steps + 1)]
    assert steps.done == expected


@pytest.mark.parametrize(("minutes", "saved"), [(ALWAYS, 12), (1000.0, None)])
def test_checkpoints_are_left_as_often_as_asked(feed, place, steps, minutes, saved):
    """With no time between two of them each step leaves one; with much, a short training leaves none."""
    steps.after = {13: kill}
    with pytest.raises(HardKill):
        run(feed, of("relu", checkpoint_minutes=minutes), place)
    found = place.load()
    assert (found and found.step) == saved


def test_a_finished_training_is_only_exported(feed, place, steps):
    """After the last step's checkpoint nothing is done but to make the result."""
    config = of("relu", checkpoint_minutes=ALWAYS)
    first = run(feed, config, place)
    assert len(steps.done) == N_STEPS
    assert same(run(feed, config, place), first)
    assert len(steps.done) == N_STEPS


def stopped(feed, place, steps, config, step=7):
    steps.after = {step: terminate}
    with pytest.raises(SystemExit):
        run(feed, config, place)
    steps.done.clear()


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"config_sha256": "d" * 64}, "config_sha256"), ({"manifest_sha256": "n" * 64}, "manifest_sha256"),
        ({"block_id": "encoder_s2_b1"}, "block"), ({"format": 2}, "format"),
    ],
)
def test_a_checkpoint_of_something_else_is_set_aside(feed, place, steps, monkeypatch, caplog, changed, why):
    """Another configuration, data, block or format: training starts anew and the file is kept beside."""
    config, straight = of("relu"), run(feed, of("relu"))
    stopped(feed, place, steps, config)
    content = place.path.read_bytes()
    monkeypatch.setattr(finished, "FORMAT", changed.pop("format", 1))
    claim = {"block_id": BLOCK, "config_sha256": "c" * 64, "manifest_sha256": "m" * 64, **changed}
    assert same(run(feed, config, Checkpoint(place.folder, **claim)), straight)
    assert steps.done == list(range(1, N_STEPS + 1))
    (aside,) = place.folder.glob("*.aside")
    assert aside.read_bytes() == content and not place.path.exists()
    (line,) = [record.getMessage() for record in caplog.records if "set aside" in record.getMessage()]
    assert f"its {why} is " in line and str(aside) in line


def _cut(content, rng):
    return content[: rng.integers(len(content))]


def _flip(content, rng):
    place, bit = int(rng.integers(len(content))), int(rng.integers(8))
    return content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


def _flip_header(content, rng):
    """One of the bytes that describe the tensors: names, types, shapes, the claim."""
    length = 8 + int.from_bytes(content[:8], "little")
    return _flip(content[:length], rng) + content[length:]


@pytest.mark.parametrize("damage", [_cut, _flip, _flip_header])
def test_damage_of_any_kind_is_noticed(feed, place, steps, caplog, damage):
    """A checkpoint that is cut or has one wrong bit anywhere is never loaded, nor an error."""
    stopped(feed, place, steps, of("batchtopk", revive="auxk"))
    content, rng = place.path.read_bytes(), np.random.default_rng(1)
    assert place.load().step == 7
    for _ in range(150):
        place.path.write_bytes(damage(content, rng))
        assert place.load() is None
        assert not place.path.exists()


@pytest.mark.parametrize("damage", [_cut, _flip, _flip_header])
def test_after_damage_training_starts_anew(feed, place, steps, caplog, damage):
    """With a damaged checkpoint the result is that of a straight run, and the log says why it took so long."""
    config, straight = of("relu"), run(feed, of("relu"))
    stopped(feed, place, steps, config)
    place.path.write_bytes(damage(place.path.read_bytes(), np.random.default_rng(2)))
    assert same(run(feed, config, place), straight)
    assert steps.done == list(range(1, N_STEPS + 1))
    assert "set aside" in caplog.text and "Training begins anew" in caplog.text


@pytest.mark.parametrize("how", ["on time", "when asked to stop"])
def test_weights_that_are_not_finite_are_never_saved(feed, place, steps, how):
    """A training that diverges ends with an error, and its last checkpoint is the last good one."""
    config = of("relu", checkpoint_minutes=ALWAYS if how == "on time" else 1000.0)
    stopped(feed, place, steps, config, step=4)

    def diverge():
        poisoned[0].objective.parameters["W_dec"][3, 2] = float("nan")
        if how != "on time":
            terminate()

    poisoned, original = [], trainer.Trainer.load
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trainer.Trainer, "load", lambda self, *args: (original(self, *args), poisoned.append(self))[0])
        steps.after = {9: diverge}
        with pytest.raises(UserError, match=r"finite weights.*step 9"):
            run(feed, config, place)
    held = place.load()
    tensors, step = held.tensors, held.step
    assert step == (8 if how == "on time" else 4)
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


def test_a_checkpoint_is_what_was_saved(place):
    """Tensors of any shape and type come back with their bits and the number of steps."""
    tensors = {
        "f": torch.tensor([1.5, float("inf"), -0.0]), "step": torch.tensor(3.0), "i": torch.arange(4),
        "d": torch.tensor(0.1, dtype=torch.float64), "e": torch.empty(0, 3), "t": torch.arange(6.0).reshape(2, 3).T,
    }
    assert place.load() is None
    place.save(tensors, 12, NOTES)
    held = place.load()
    found, step = held.tensors, held.step
    assert step == 12 and found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype for name, tensor in tensors.items())


def test_a_save_that_fails_leaves_the_checkpoint_before(place, monkeypatch):
    """A full disk while the second checkpoint is written: the first is still there."""
    place.save({"x": torch.ones(3)}, 1, NOTES)

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, contextlib.suppress(UserError):
        patched.setattr(os, "fsync", full)
        place.save({"x": torch.zeros(3)}, 2, NOTES)
        pytest.fail("the second save went through")
    assert place.load().step == 1
    assert [path.name for path in place.folder.iterdir()] == ["checkpoint.safetensors"]


@pytest.mark.parametrize("is_aside", [False, True])
def test_a_finished_training_leaves_nothing_to_resume_from(place, is_aside):
    """Removing the checkpoint removes its folder, but never what was set aside; doing it twice is no error."""
    if is_aside:
        place.save({"x": torch.ones(3)}, 1, NOTES)
        assert Checkpoint(place.folder, BLOCK, "d" * 64, "m" * 64).load() is None
    place.save({"x": torch.ones(3)}, 2, NOTES)
    place.remove()
    place.remove()
    left = sorted(path.name for path in place.folder.glob("*"))
    assert left == (["checkpoint.safetensors.aside"] if is_aside else [])
    assert place.folder.exists() == is_aside


def test_state_holds_everything(reader, feed):
    """Whatever a step changes in a trainer is in its state: loaded into a fresh one, all tensors agree."""
    from aurorascope.training.engine import batches, describe

    config = of("gated", revive="auxk", target_l0=4.0, **REVIVAL)
    data = describe(reader, BY_ID[BLOCK], config, AREA)
    first, second = (trainer.Trainer(BY_ID[BLOCK], config, data, CPU) for _ in range(2))
    with torch.inference_mode():
        for x_nd, tokens_n in batches(feed, first):
            first.step(x_nd, tokens_n)
        second.load({name: tensor.clone() for name, tensor in first.state().items()}, first.t)
        assert first.state().keys() == second.state().keys()
        assert {"dead_i", "state.sparsity", "log", "last_fired_h", "adam.step.r_mag"} <= first.state().keys()
        for name, tensor in second.state().items():
            assert torch.equal(tensor, first.state()[name]), name
        x_nd = next(feed.snapshots(np.array([0])))
        first.step(x_nd)
        second.step(x_nd.clone())
    assert tensor_digest(first.state()) == tensor_digest(second.state())
    assert first.data.d_model == D_MODEL
