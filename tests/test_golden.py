"""Numbers of each stage on a fixed tiny input: when they change, a recipe version must be raised on purpose.

`python tests/test_golden.py` prints the present numbers; put them into tests/golden.json in the commit that raises
`RECIPES`, `RECIPES_OF_KEPT` or `RECIPES_OF_DEMO`, in workflow/aurorascope/config/stages.py. What is recorded, and how closely it must be met, follows from how
far the kernels of different CPUs lie apart (docs/benchmarks.md, "Golden numbers on other kinds of CPU").
"""

import itertools
import json
import pkgutil
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1] / "workflow"), str(Path(__file__).parents[1])]

import numpy as np
import pytest

GOLDEN = Path(__file__).with_name("golden.json")
# Relative, in a thousandth of which no formula can change unseen; kernels move the numbers by a fifth of these at most.
BOUND = 1e-5
BOUNDS = {"make_checkpoint": 1e-4, "train_sae": 5e-5}
# Of a training's log. Not of the encoder's weights: where a gradient is zero but for rounding, Adam divides it by
# itself, and the sign of the step is the kernel's choice.
LOGGED = ("loss", "mse", "sparsity", "aux", "grad_norm")
NOISY = ("W_enc", "b_enc")


def _atmosphere():
    from aurorascope.cams.demo import demo_state, demo_static
    from aurorascope.cams.grid import regular_grid
    from aurorascope.cams.variables import LEVELS
    from aurorascope.config.calendar import parse

    lat, lon = regular_grid(19, 36)
    state, static = demo_state(parse("2022-06-01T12:00:00Z"), lat, lon, LEVELS), demo_static(lat, lon)
    fields = {name: state[name].values.astype(float) for name in ("t2m", "u", "pm2p5", "co")}
    return {
        **{f"{name} mean": float(field.mean()) for name, field in fields.items()},
        **{f"{name} spread": float(field.std()) for name, field in fields.items()},
        "orography mean": float(static["z"].astype(float).mean()),
    }


def _static():
    from aurorascope.cams.demo import demo_static
    from aurorascope.cams.grid import regular_grid

    static = demo_static(*regular_grid(19, 36))
    return {f"{name} sum": float(np.abs(static[name].astype(float)).sum()) for name in ("z", "lsm", "slt")}


def _first_loss():
    """Of the demo's Aurora as it begins, before its first step; its gradient."""
    import torch
    from aurorascope.backbone.demo_start import begin
    from aurorascope.backbone.demo_training import _FIRST_DAY, _Forecasts
    from aurorascope.backbone.model import build_model, head_arguments

    torch.manual_seed(0)
    model = build_model(head_arguments(16)).train()
    forecasts = _Forecasts(model, (19, 36))
    begin(model, forecasts.batch(_FIRST_DAY).normalise(surf_stats=model.surf_stats).static_vars)
    loss, persistence = forecasts.error(_FIRST_DAY)
    loss.backward()
    gradients = [p.grad.double().square().sum() for p in model.parameters() if p.grad is not None]
    return {"loss": loss.item(), "persistence": float(persistence), "gradient": float(torch.stack(gradients).sum().sqrt())}


def _tokens():
    waves = np.sin(np.outer(np.arange(1, 97), np.arange(1, 9)) * 0.37)
    return (waves * np.arange(1, 9) + 3).astype(np.float32)


def _encoding():
    from aurorascope.activations.encode import encode

    encoded = encode(_tokens(), "float16")
    return {"decoded sum": float(encoded.decode().astype(float).sum()), "loss": encoded.loss}


class _Feed:
    """Four snapshots of 24 rows."""

    def __init__(self):
        import torch

        self.n_snapshots, self.n_blocks, self.device, self.reader = 4, 1, torch.device("cpu"), self
        self.d_model, self.n_tokens = 8, 24
        self._values = torch.from_numpy(_tokens()).reshape(4, 24, 8)

    def snapshots(self, order):
        yield from (self._values[i] for i in order.tolist())

    def rows(self, order, batch):
        yield from self._values.flatten(0, 1)[order].split(batch)

    def read(self, places):
        return self._values[places].numpy()

    def moments(self):
        x = _tokens().astype(np.float64)
        return {"n": np.full(8, 96.0), "mean": x.mean(0), "m2": ((x - x.mean(0)) ** 2).sum(0)}


def _training():
    from aurorascope.blocks import BY_ID

    from tests.trained import train
    from tests.training.settings import of, sae

    options = {"shuffle": "rows", "batch_rows": 16, "init": "tied", "project": True, "warm_up": 0.05, "decay": 0.2}
    configs = {"card": sae(epochs=50), "batchtopk": of("batchtopk", revive="auxk", dead_snapshots=2, **options)}
    weights = {"gated": 3e-4, "jumprelu": 0.3}
    weights |= dict.fromkeys(("matryoshka", "hierarchical", "archetypal", "bias_adaptation", "abstopk", "matching_pursuit"), 0.0)
    configs |= {name: of(name, epochs=10, normalise=True, l1_coeff=weight) for name, weight in weights.items()}
    configs["mutual"] = of("topk", epochs=10, normalise=True, mutual_weight=0.1)
    found = {}
    for case, config in configs.items():
        result = train(_Feed(), BY_ID["encoder_s1_b5"], config)
        found |= {f"{case} {name}": float(t.double().abs().sum()) for name, t in result.weights.items() if name not in NOISY}
        found |= {f"{case} mean {name}": float(result.log[name].astype(float).mean()) for name in LOGGED}
    return found


def _stage_training():
    """Two blocks of a stage, of other means and sizes, through stores."""
    import pandas as pd
    import torch
    from aurorascope.stage_saes.train import train_stage_sae

    from tests.stage_saes.stages import STAGE, config_of, make_stage

    with tempfile.TemporaryDirectory() as folder:
        results = make_stage(Path(folder))
        train_stage_sae(config_of(architecture="abstopk", target_l0=2, normalise=True), STAGE, results)
        weights = torch.load(results / "saes" / "sae_encoder_s2.pt", weights_only=True)
        log = pd.read_parquet(results / "training" / "encoder_s2.parquet")
    found = {name: float(t.double().abs().sum()) for name, t in weights.items() if name not in NOISY}
    return found | {f"mean {name}": float(log[name].astype(float).mean()) for name in LOGGED}


def _lives():
    import torch
    from aurorascope.stage_saes.lives import Lives

    lives, x = Lives([1.5, 40.0], 8, 8), torch.from_numpy(_tokens())
    for place, features in ((0, x.relu()), (1, (20 * x - 60).relu()), (1, (9 - x).relu() * (torch.arange(8) > 3))):
        lives.add(place, features, len(x))
    numbers = {name: float(np.nansum(values)) for name, values in (("energy", lives.energy_bh()), ("share", lives.share_bh()[0]))}
    return {**numbers, **lives.summary()}


def _metrics():
    import torch
    from aurorascope.measures.held_out.baselines import RandomDictionary, baselines
    from aurorascope.measures.held_out.decoder import max_cosines
    from aurorascope.measures.held_out.metrics import headline
    from aurorascope.measures.held_out.sums import Means, Sums

    x = _tokens().astype(np.float64)
    mean = x.mean(axis=0)
    sums = Sums(np.arange(96) % 3, np.linspace(0.5, 1.5, 96), Means(mean, mean + 0.1, x * 0.5, mean * 0.2), 8)
    sums.add(x, x * 0.97 + 0.01, np.maximum(x, 0))
    dictionary = RandomDictionary(16, 3, 5, mean + 0.1, torch.device("cpu"))
    dictionary.add(torch.from_numpy(x))
    beside = baselines(sums, 3.2, np.cov(x[:50].T), dictionary)
    cosines = max_cosines(torch.from_numpy(x[:9]), torch.arange(9) % 2 == 0, False)
    return {
        **{name: value for name, value in headline(sums).items() if value is not None},
        **{f"{name} sse": row["sse"] for name, row in beside.items()},
        **dict(zip(("max_cosine", "max_cosine_all"), cosines, strict=True)),
    }


class _Source(_Feed):
    """The same as a store."""

    recomputed_on = paths = None

    def __init__(self):
        super().__init__()
        self.manifest = {"block": "encoder_s1_b5", "sha256": "0" * 64}
        self.offset, self.scale = np.zeros((4, 8), np.float32), np.ones((4, 8), np.float32)

    def stored(self, index):
        return self._values[index].numpy()

    def forget_buffers(self):
        pass


def _boosting():
    """A second SAE of what a first one leaves out, with some tokens weighted."""
    import torch
    from aurorascope.activations.feed import ResidentFeed
    from aurorascope.blocks import BY_ID
    from aurorascope.boosting.reader import ResidualReader
    from aurorascope.sae.aurora_sae import AuroraSAE
    from aurorascope.training.engine import Saver, conclude, prepare, run
    from aurorascope.training.weights import Labelled

    from tests.trained import train
    from tests.training.settings import of

    source, block, device = _Source(), BY_ID["encoder_s1_b5"], torch.device("cpu")
    first = AuroraSAE.from_tensors(train(source, block, of("topk", epochs=5, target_l0=2.0)).weights)
    reader = ResidualReader(source, first, "1" * 64)
    mask_sp = np.arange(4 * 6).reshape(4, 6) % 5 == 0
    trainer = prepare(reader, block, of("topk", epochs=10, target_l0=1.0, normalise=True), device, labelled=Labelled(mask_sp, 8.0))
    run(trainer, ResidentFeed(reader, device), Saver(None, 0))
    result = conclude(trainer)
    found = {"residuals": float(np.abs(reader.read().astype(float)).sum())}
    found |= {name: float(t.double().abs().sum()) for name, t in result.weights.items() if name not in NOISY}
    return found | {f"mean {name}": float(result.log[name].astype(float).mean()) for name in LOGGED}


def _boosted():
    """Both SAEs of a made-up boost, on all tokens and on those under a label."""
    import torch
    from aurorascope.measures.boost.sums import BoostSums

    x = _tokens()
    sums = BoostSums(x.mean(axis=0, dtype=np.float64) + 0.1, x * 0.5, (8, 8), True)
    features = torch.from_numpy(np.maximum(x, 0)), torch.from_numpy(np.maximum(x - 4, 0))
    sums.add(x, (x * 0.9, x * 0.97 + 0.01), features, np.arange(96) % 5 == 0)
    return sums.metrics() | {f"{row.metric} {row.tokens} {row.of}": row.value for row in sums.table().itertuples()}


def _features():
    import torch
    from aurorascope.features.strongest import strongest

    index, value = strongest(torch.from_numpy(_tokens()).relu() * (torch.arange(8) % 3 > 0), 4)
    return {"indices": float((index * np.arange(1, 5)).sum()), "values": float(np.nansum(value * np.arange(1, 5)))}


def _fidelity():
    import torch
    from aurorascope.measures.fidelity.metrics import by_field, headline
    from aurorascope.measures.fidelity.sums import FORECASTS, ForecastSums, row_areas

    fields = torch.from_numpy(_tokens()).reshape(2, 4, 12, 8)
    sums = ForecastSums(row_areas(np.linspace(90, -90, 13))[:12], 4)
    far = dict(zip(FORECASTS, (0.0, 0.03, 0.4, 0.3, 0.2), strict=True))
    for day, state in enumerate(fields):
        forecasts = {name: state + torch.cos(state * (1 + day)) * (1 + share) for name, share in far.items()}
        sums.add(state, state + torch.cos(state * 1.01) if day else None, forecasts)
    verified = {name: float(values.sum()) for name, values in by_field(sums).items()}
    return {**headline(sums), **{f"{name} by field": value for name, value in verified.items()}}


def _stability():
    from aurorascope.measures.stability.compare import compare, random_rows, unit_rows
    from aurorascope.measures.stability.formulas import CHANCES
    from aurorascope.measures.stability.measure import metrics

    x, rng = _tokens().astype(np.float64), np.random.default_rng([5, 7])
    a, b, c = unit_rows(x[:20] - 3), unit_rows(x[1:19] * 1.1 - 3), unit_rows(np.roll(x[:20], 1, axis=1) - 3)
    chance = {name: compare(*(random_rows(n, np.cov(x.T), rng) for n in (20, 18)), False) for name in CHANCES}
    return metrics([compare(a, b, False), compare(a, c, False), compare(b, c, True)], chance, [20, 18, 20])


def _label_states():
    """Two of the demo's, 12 hours after the one before."""
    from aurorascope.cams.demo import demo_state, demo_static
    from aurorascope.cams.grid import regular_grid
    from aurorascope.cams.variables import LEVELS
    from aurorascope.config.calendar import parse
    from aurorascope.labels.state import LabelState

    lat, lon = regular_grid(19, 36)
    times = [np.datetime64(time, "ns") for time in ("2022-06-01T00", "2022-06-01T12", "2022-06-02T00")]
    states = [demo_state(parse(f"{time.astype('datetime64[s]')}Z"), lat, lon, LEVELS).assign_coords(time=time) for time in times]
    return [LabelState.of(now, before, demo_static(lat, lon)) for before, now in itertools.pairwise(states)]


def _reference():
    from aurorascope.config.thresholds import DEMO
    from aurorascope.labels.reference import Reference

    found = Reference.of(_label_states(), DEMO)
    tcco = {f"tcco {name} mean": float(field.astype(float).mean()) for name, field in found.tcco.items()}
    return {**found.values, **{f"change of {name}": value for name, value in found.changes.items()}, **tcco}


def _labels():
    from aurorascope.config.thresholds import DEMO
    from aurorascope.labels.all import label_state
    from aurorascope.labels.reference import Reference

    states = _label_states()
    data = label_state(states[1], Reference.of(states, DEMO), DEMO)
    found = {}
    for place, name in enumerate(data["label"].values):
        # The sum of magnitudes: of fields with both signs little would be left.
        found[f"{name} field"] = float(np.nansum(np.abs(data["field"].values[place].astype(float))))
        found[f"{name} cells"] = float(data["mask"].values[place].sum())
        found[f"{name} objects"] = float(len(np.unique(data["object"].values[place])) - 1)
    return found


def _atlas():
    """Features that follow labels more or less: scores, comparisons, names and badges. Encoding is exact, so that no kernel flips a token."""
    import tempfile

    import torch
    from aurorascope.atlas.score import score_features
    from aurorascope.atlas.settings import AtlasSettings
    from aurorascope.atlas.write import make_tables
    from aurorascope.sae.aurora_sae import AuroraSAE

    from tests.atlas.planted import planted_features, planted_world, source_of

    world = planted_world(3, 48)
    x = np.round(planted_features(world, 3, 4) * 64) / 64
    zeros, ones = torch.zeros(x.shape[-1]), torch.eye(x.shape[-1])
    sae = AuroraSAE.from_tensors({"W_enc": ones, "b_enc": zeros, "W_dec": ones, "b_dec": zeros})
    settings = AtlasSettings(
        least_objects=4, least_label_blocks=2, rotations=19, date_shifts=19, held_out_nulls=2, components=1, resamples=50, block_days=4,
        drop_days=2, least_days=6, most_days=30, bins=32,
    )
    with tempfile.TemporaryDirectory() as folder:
        scored = score_features(sae, source_of(x, world.times), world.labels(Path(folder)), settings, Path(folder))
        tables, summary = make_tables(scored, sae, world.grid)
    found = {}
    for name in ("features", "labels"):
        # What competes is not exact.
        numbers = tables[name].select_dtypes("number").drop(columns="gain")
        found |= {f"{name} {column}": float(np.nansum(np.abs(numbers[column].astype(float)))) for column in numbers}
        found[f"{name} known"] = float(numbers.notna().sum().sum())
    return found | {f"{word} verdicts": float(n) for word, n in summary["verdicts"].items()}


def _study():
    """An edit with all its controls in a linear stand-in: effects, sizes and divergence by kind of arm, and the verdict's numbers."""
    from aurorascope.studies import run_study

    from tests.studies import linear, planted

    saes = {linear.BLOCK: planted.planted_sae()}
    result = run_study(planted.study(planted.STRONG), linear.Forecasting(), saes, planted.batches())
    found = {}
    for kind, rows in result.effects[~result.effects.kind.isin(("clean", "clean_again"))].groupby("kind"):
        found |= {f"{kind} {column}": float(np.nansum(np.abs(rows[column]))) for column in ("effect", "size", "norms_mean", "d2")}
        found[f"{kind} touched"] = float(rows.touched.sum())
    for kind, rows in result.fields.groupby("kind"):
        found[f"{kind} divergence"] = float(np.nansum(rows.d2))
    verdict = result.summary["outcomes"]["warmth"]
    names = ("effect", "controls_95", "slope", "on_target", "collateral", "n_controls", "p")
    found |= {name: float(verdict[name]) for name in names}
    return found | {"low": verdict["interval"][0], "high": verdict["interval"][1], "exposure": result.summary["exposure"][0]}


def _attribution():
    """Both rules and exact ablations in a stand-in whose forecasts are squares: effects, what they add up to, and how they agree."""
    from aurorascope.attribution.agreement import strongest
    from aurorascope.attribution.checks import check_block
    from aurorascope.attribution.gradient import by_gradient
    from aurorascope.attribution.midpoint import by_midpoints
    from aurorascope.attribution.parts import Effects
    from aurorascope.attribution.record import summary_of
    from aurorascope.backbone.replay import Replay

    from tests.attribution import planted
    from tests.interventions.linear import sae_of

    block, model, sae = planted.BLOCKS[1], planted.Bent(), sae_of("abstopk")
    value, replay, by_rule = planted.value_of(), Replay(model, planted.DAY), {}
    with tempfile.TemporaryDirectory() as folder:
        usual = planted.usual_of(Path(folder), model, {block: sae})
        y = by_gradient(model, planted.DAY, value, {block: sae}, usual, lambda _, found: by_rule.update(gradient=found))
        replay.advance(block)
        by_rule["midpoint"] = by_midpoints(model, replay, block, value, sae, usual[block], 4)
        found = {"y": y}
        for rule, projected in by_rule.items():
            features = strongest(projected.effect_f, 20)
            checked = check_block(model, replay, block, value, y, sae, usual[block], features)
            summary = summary_of(["day"], {"day": Effects(projected, y, value.floor())}, features, {"day": checked})
            names = ("total", "features", "error", "absolute", "at_mean", "completeness")
            found |= {f"{rule} {name}": summary[name] for name in names}
            found |= {f"{rule} {name}": summary["agreement"][name] for name in ("correlation", "slope", "sign_agreement")}
    return found


def _circuit():
    """Edges between two blocks of a planted chain, and runs with some of their features: sums, and how near to the clean one."""
    from aurorascope.backbone.gradients import between
    from aurorascope.backbone.replay import Replay
    from aurorascope.circuits import edges, faithfulness
    from aurorascope.circuits.draws import Draws
    from aurorascope.circuits.measure import measure_run, runs_of

    from tests.circuits import at_blocks, planted
    from tests.interventions.linear import sae_of

    model, date = planted.model(), planted.EVENTS[0]
    sites = at_blocks.sites_of(model, sae_of("jumprelu", width=planted.WIDTH))
    first, later = at_blocks.blocks_of(model, sites, date)
    own = edges.own_effects(first, first.site.ids)
    nodes = tuple(first.site.ids[at] for at in np.argsort(-np.abs(own[:-1]), kind="stable")[:6])
    replay = Replay(model, planted.batch(date))
    replay.advance(sites[0].block)
    with between(model, lambda: model(replay.batch), first.site.block, later.site.block) as stretch:
        found = {
            "features": edges.feature_edges(stretch, first, nodes, later, nodes), "influences": edges.influences(stretch, first, nodes, later, nodes),
            "error": edges.error_edges(stretch, first, nodes, later), "through": edges.through(stretch, first, nodes, later), "own": own,
        }
    draws = Draws(dict.fromkeys(at_blocks.BLOCKS, nodes), (), (), {})
    y = {name: measure_run(model, replay, sites, run, lambda each: float(at_blocks.y_of(each))) for name, run in runs_of(draws).items()}
    y |= {faithfulness.CLEAN: float(at_blocks.y_of(replay.forecast()))}
    shares = {errors: faithfulness.faithfulness(y, errors, 1e-6, 0) for errors in faithfulness.ERRORS}
    numbers = {f"{errors} {name}": share[name] for errors, share in shares.items() for name in ("circuit", "rest", "all", "denominator")}
    return {name: float(np.abs(each).sum()) for name, each in found.items()} | numbers


def _match():
    """Planted features of two dictionaries, matched by directions and by what they do, beside chance."""
    from aurorascope.matching.codes import match_codes
    from aurorascope.matching.directions import match_directions

    from tests.matching.made import AREA_P, SWAPS, read, weather

    a, b = weather(14), weather(20, 1)
    b[..., 4:12] = a[..., :8] + b[..., 4:12]
    rng = np.random.default_rng(5)
    W_hd = rng.standard_normal((40, 16))
    other_hd = W_hd[::-1] + 0.5 * rng.standard_normal((40, 16))
    every = np.ones(40, bool)
    found = {
        "codes": match_codes(read(a, b), SWAPS, AREA_P, (14, 20), False).content(),
        "directions": match_directions(W_hd, other_hd, every, every, False, (0, 1)).content(),
    }
    names = ("score_mean", "share_alike", "share_above_chance")
    numbers = {f"{how} {name}": content[name] for how, content in found.items() for name in names}
    return numbers | {f"{how} chance {name}": content["chance"][name] for how, content in found.items() for name in ("mean", "level")}


STAGES = {
    "download_day": _atmosphere,
    "make_static": _static,
    "label_reference": _reference,
    "label_day": _labels,
    "make_checkpoint": _first_loss,
    "dump_activations": _encoding,
    "train_sae": _training,
    "evaluate_sae": _metrics,
    "boost_sae": _boosting,
    "evaluate_boost": _boosted,
    "train_stage_sae": _stage_training,
    "evaluate_stage_sae": _lives,
    "write_features": _features,
    "measure_fidelity": _fidelity,
    "measure_stability": _stability,
    "score_features": _atlas,
    "run_study": _study,
    "attribute": _attribution,
    "trace_circuit": _circuit,
    "match_features": _match,
}
# They choose, copy, compare, print and draw what others computed.
WITHOUT_NUMBERS = {"select_states", "reproduce_sae", "build_index", "write_card", "write_table", "draw_suite", "draw_levels",
                   "draw_curves", "draw_blocks", "draw_feature", "draw_storyline", "draw_atlas", "draw_study", "draw_attribution", "chain_features",
                   "draw_circuit"}


# One formula of each stage.
FORMULAS = {
    "download_day": "aurorascope.cams.demo.profile",
    "make_static": "aurorascope.cams.demo_land.orography",
    "label_reference": "aurorascope.labels.quantiles.AreaHistogram.quantile",
    "label_day": "aurorascope.labels.state.Moment.theta_e",
    "make_checkpoint": "aurorascope.backbone.demo_training._Forecasts.error",
    "dump_activations": "aurorascope.activations.encode.decode",
    "train_sae": "aurorascope.training.trainer.factor",
    "evaluate_sae": "aurorascope.measures.held_out.metrics.explained",
    "boost_sae": "aurorascope.boosting.reader.decode",
    "evaluate_boost": "aurorascope.measures.boost.sums.explained",
    "train_stage_sae": "aurorascope.training.trainer.factor",
    "evaluate_stage_sae": "aurorascope.stage_saes.lives.effective_blocks",
    "write_features": "aurorascope.features.strongest.strongest",
    "measure_fidelity": "aurorascope.measures.fidelity.metrics._ratio",
    "measure_stability": "aurorascope.measures.stability.compare._cosines",
    "score_features": "aurorascope.atlas.verdicts.z_values",
    "run_study": "aurorascope.studies.outcomes.area_mean",
    "attribute": "aurorascope.attribution.projection._weighed",
    "trace_circuit": "aurorascope.circuits.edges._summed",
    "match_features": "aurorascope.matching.matched.share_alike",
}


def _present(stage):
    from aurorascope.config.stages import RECIPES, RECIPES_OF_DEMO, RECIPES_OF_KEPT

    others = {"recipe_of_kept": RECIPES_OF_KEPT, "recipe_of_demo": RECIPES_OF_DEMO}
    found = {name: versions[stage] for name, versions in others.items() if stage in versions}
    return {"recipe": RECIPES[stage], **found, "numbers": STAGES[stage]()}


def _as_recorded(stage):
    recorded = json.loads(GOLDEN.read_text())[stage]["numbers"]
    return pytest.approx(recorded, rel=BOUNDS.get(stage, BOUND), abs=1e-12)


@pytest.mark.parametrize("stage", STAGES)
def test_numbers_change_only_with_a_recipe_version(stage):
    """The stage's numbers are those recorded for its recipe version."""
    recorded, present = json.loads(GOLDEN.read_text())[stage], _present(stage)
    for version in ("recipe", "recipe_of_kept", "recipe_of_demo"):
        assert present.get(version) == recorded.get(version), "write the new numbers: python tests/test_golden.py"
    assert present["numbers"] == _as_recorded(stage), f"raise RECIPES[{stage!r}], or RECIPES_OF_KEPT or RECIPES_OF_DEMO"


@pytest.mark.parametrize("stage", FORMULAS)
def test_a_formula_changed_by_a_thousandth_is_seen(stage, monkeypatch):
    """Bounds wide enough for every CPU's kernels are narrow enough for this."""
    where, name = FORMULAS[stage].rsplit(".", 1)
    holder = pkgutil.resolve_name(where)
    formula = getattr(holder, name)

    def changed(*args, **options):
        found = formula(*args, **options)
        return tuple(value * 1.001 for value in found) if isinstance(found, tuple) else found * 1.001

    monkeypatch.setattr(holder, name, changed)
    assert STAGES[stage]() != _as_recorded(stage)


def test_every_stage_that_computes_has_golden_numbers():
    """A new stage is on one list or the other."""
    from aurorascope.config.stages import RECIPES

    assert set(STAGES) == set(FORMULAS)
    assert set(STAGES) | WITHOUT_NUMBERS == set(RECIPES)
    assert not set(STAGES) & WITHOUT_NUMBERS


if __name__ == "__main__":
    sys.stdout.write(json.dumps({stage: _present(stage) for stage in STAGES}, indent=2) + "\n")
