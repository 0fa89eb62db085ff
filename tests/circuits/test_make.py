"""Circuits from their file to their files: what they hold, the same bytes after stops, and what is refused before any forward."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from aurorascope.attribution.outcome_file import read_outcome_file
from aurorascope.attribution.target import read_target
from aurorascope.attribution.usual import Usual
from aurorascope.attribution.value import Value
from aurorascope.backbone.batch import load_batch
from aurorascope.backbone.gradients import between
from aurorascope.backbone.model import open_model
from aurorascope.backbone.replay import Replay
from aurorascope.blocks import BY_ID
from aurorascope.circuits import make as job
from aurorascope.circuits.draws import Draws
from aurorascope.circuits.edges import error_edges, feature_edges, own_effects, through
from aurorascope.circuits.finished import read_finished
from aurorascope.circuits.site import Site
from aurorascope.circuits.trace import Open, clean_blocks
from aurorascope.errors import TryAgainError, UserError
from aurorascope.files import sha256_file
from aurorascope.locks import folder_lock
from aurorascope.sae.opening import open_sae

from tests.circuits import folder

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("inside")]


class Stopped(Exception):
    """A job that was killed."""


def table(name, which):
    return pd.read_parquet(Path("results/circuits", name, f"{which}.parquet"))


def test_record_and_tables_say_the_same():
    record, nodes, edges = folder.record("first"), table("first", "nodes"), table("first", "edges")
    assert record["blocks"] == list(folder.BLOCKS) and record["halves"] == [["2022-06-02"], ["2022-06-20"]]
    assert record["files"] == {f"circuits/first/{name}.parquet": sha256_file(f"results/circuits/first/{name}.parquet") for name in ("nodes", "edges", "values")}
    for block in folder.BLOCKS:
        attributed = pd.read_parquet(f"results/attribution/wind/{block}.parquet")
        mine = nodes[(nodes.role == "circuit") & (nodes.block == block) & (nodes.kind == "feature")]
        assert mine.feature.tolist() == attributed.effect.abs().sort_values(ascending=False).index[:3].tolist() and record["nodes"][block]["n"] == 3
        np.testing.assert_allclose(mine.effect, attributed.effect[mine.feature], rtol=1e-4)
    circuit = edges[edges.role == "circuit"]
    # Three features and the error of the first block, to three features, the error and all of the second.
    assert len(circuit) == 4 * 5 and len(edges) == 20 + 9
    assert record["faithfulness"]["kept"]["all"] == 1.0 and record["faithfulness"]["kept"]["passes"] is None
    assert record["word"] in ("fails its controls", "not known") and any("fewer than 10 matched sets" in line for line in record["against"])
    assert read_finished(Path("results"), "first").record == record


def test_an_attribution_that_says_other_than_its_table_is_not_read():
    """Its record has no digest over itself."""
    path = Path("results/attribution/wind", f"{folder.BLOCKS[0]}.json")
    before = path.read_text()
    content = json.loads(before)
    folder.write("circuits", "edited", folder.CIRCUIT)
    try:
        path.write_text(json.dumps(content | {"absolute": 2 * content["absolute"]}))
        with pytest.raises(UserError, match=r"absolute: .*, which its table gives"):
            folder.run("edited")
    finally:
        path.write_text(before)
        Path("circuits/edited.yaml").unlink()


@pytest.fixture(scope="module")
def opened(place):
    """Aurora with two blocks, each with all of its features, and the input of a date."""
    results, date = place / "results", "2022-06-20"
    model = open_model(results)
    saes = {block: open_sae(results / f"saes/sae_{block}.json")[0] for block in folder.BLOCKS}
    usual = {block: Usual(next((results / f"scratch/attribution/usual/{block}").glob("*/means.safetensors"))) for block in saes}
    ids = {block: tuple((feature, 1) for feature in range(sae.d_hidden)) for block, sae in saes.items()}
    sites = [Site.of(BY_ID[block], sae, usual[block], ids[block]) for block, sae in saes.items()]
    batch, target = load_batch(date, results=results), read_target(read_outcome_file("wind", place / "outcomes"))
    return Open(model, sites, Draws(ids, (), (), {}), lambda _date: batch, lambda _date: Value(target, batch, None))


def pair_of(opened):
    """Own effects of four features and the error of the first block; edges from them to two of the second, to its error, and through it."""
    value, replay = opened.value(""), Replay(opened.model, opened.batch(""))
    replay.advance(opened.sites[0].block)
    value.set_clean(replay.forecast())
    first, second = clean_blocks(opened, replay, value).values()
    ids, later_ids = (
        tuple(block.site.ids[at] for at in np.argsort(-np.abs(own_effects(block, block.site.ids)[:-1]), kind="stable")[:n])
        for block, n in ((first, 4), (second, 2))
    )
    with between(opened.model, lambda: _forecast(opened.model, replay), first.site.block, second.site.block) as stretch:
        edges, error = feature_edges(stretch, first, ids, second, later_ids), error_edges(stretch, first, ids, second)
        return own_effects(first, ids), edges, error, through(stretch, first, ids, second)


def _forecast(model, replay):
    with replay.known():
        return model(replay.batch)


def test_in_aurora_all_goes_through_the_later_block_with_and_without_checkpoints(opened):
    """From the encoder's second stage every path leads through the decoder's second. Blocks that are computed again give the same edges."""
    found = own, edges, error, whole = pair_of(opened)
    np.testing.assert_allclose(whole, own, atol=2e-5 * np.abs(own).max())
    assert np.abs(edges).max() > 0.01 * np.abs(own).max() and np.abs(error).max() > 0.01 * np.abs(own).max()
    again = open_model(Path("results"))
    again.configure_activation_checkpointing()
    for one, other in zip(found, pair_of(dataclasses.replace(opened, model=again)), strict=True):
        assert np.abs(one - other).max() <= 1e-6 * np.abs(one).max()


def test_stops_leave_the_bytes_of_none(monkeypatch):
    """After each of the parts that are kept, and before the files are written."""
    expected, kept = folder.contents("first"), job.KeptArms.keep
    shutil.rmtree("results/circuits/first")
    left = (3, 11)

    def keep_some(n):
        def keep(self, key, arrays):
            nonlocal n
            if not n:
                raise Stopped
            n -= 1
            kept(self, key, arrays)

        return keep

    for n in left:
        monkeypatch.setattr(job.KeptArms, "keep", keep_some(n))
        with pytest.raises(Stopped):
            folder.run("first")
    monkeypatch.undo()
    parts = sorted(Path("results/scratch/circuits/first").glob("*/*.safetensors"))
    assert len(parts) == 14
    # One that is damaged is measured again.
    parts[3].write_bytes(parts[3].read_bytes()[:-1] + b"x")
    folder.run("first")
    assert folder.contents("first") == expected and not Path("results/scratch/circuits/first").exists()


REFUSED = {
    "key": ({"share_": 0.5}, r"circuits/wrong.yaml, share_: expected one of the keys .*take share"),
    "no outcome": ({"outcome": None}, "circuits/wrong.yaml, outcome: expected a value, found none"),
    "outcome": ({"outcome": "wnd"}, r"circuits/wrong.yaml, outcome: expected the name of a file in outcomes/, found 'wnd', .*take wind"),
    "block": ({"blocks": ["encoder_s1_b4", "encoder_s9_b4"]}, "circuits/wrong.yaml, blocks: expected blocks of Aurora, found 'encoder_s9_b4'.*take encoder"),
    "one block": ({"blocks": ["encoder_s1_b4"]}, "two blocks or more"),
    "a block twice": ({"blocks": ["encoder_s1_b4"] * 2}, "each block once"),
    "share": ({"share": 0}, "circuits/wrong.yaml, share: expected a number above 0 and up to 1, found 0"),
    "most": ({"most": 0}, "circuits/wrong.yaml, most: expected an integer of at least 1"),
    "n_sets": ({"n_sets": -1}, "n_sets: expected an integer of at least 0"),
    "one half": ({"halves": [["2022-06-02"]]}, "two lists of dates"),
    "halves that meet": ({"halves": [["2022-06-02"], ["2022-06-02"]]}, "two lists without a date in both"),
    "half": ({"halves": [["2022-06-02"], ["2022-06-21"]]}, "dates of the outcome, 2022-06-02, 2022-06-20, found 2022-06-21"),
}


@pytest.mark.parametrize(("changes", "words"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_file_is_refused_in_a_line_before_any_forward(changes, words, monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "__call__", _no_forward)
    folder.write("circuits", "wrong", {**folder.CIRCUIT, **changes})
    with pytest.raises(UserError) as caught:
        folder.run("wrong")
    assert re.search(words, caught.value.one_line()) and not Path("results/circuits/wrong").exists()


def _no_forward(*_args, **_kwargs):
    raise AssertionError("a forward before all was checked")


def test_what_is_not_there_or_of_another_outcome_is_refused(monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "__call__", _no_forward)
    folder.write("circuits", "wrong", {**folder.CIRCUIT, "blocks": [folder.BLOCKS[0], "decoder_s2_b0"]})
    with pytest.raises(UserError, match="sae_decoder_s2_b0.json: expected a record of kind sae, found no such file"):
        folder.run("wrong")
    folder.write("circuits", "wrong", folder.CIRCUIT)
    folder.write("outcomes", "wind", {**folder.OUTCOME, "variable": "10v"})
    try:
        with pytest.raises(UserError, match=r"attribution/wind/.*json: .* as they are now, found one of another asked.* rm -f"):
            folder.run("wrong")
    finally:
        folder.write("outcomes", "wind", folder.OUTCOME)
    with folder_lock(Path("results/scratch/circuits/wrong")), pytest.raises(TryAgainError):
        folder.run("wrong")


def test_a_record_that_says_other_than_its_tables_is_refused():
    path = Path("results/circuits/first/record.json")
    before = path.read_text()
    content = json.loads(before)
    try:
        path.write_text(json.dumps({**content, "word": "passes its controls"}))
        with pytest.raises(UserError, match="word: .* which its tables give, found passes its controls.*rm -f"):
            read_finished(Path("results"), "first")
        path.write_text(json.dumps({key: each for key, each in content.items() if key != "pairs"}))
        with pytest.raises(UserError, match="a record as its schema says, found 'pairs' is a required property"):
            read_finished(Path("results"), "first")
        path.write_text(before)
        with open("results/circuits/first/edges.parquet", "r+b") as file:
            first = file.read(1)
            file.seek(0)
            file.write(b"x")
            file.flush()
            with pytest.raises(UserError, match="expected sha256"):
                read_finished(Path("results"), "first")
            file.seek(0)
            file.write(first)
    finally:
        path.write_text(before)
    assert read_finished(Path("results"), "first").record == content
