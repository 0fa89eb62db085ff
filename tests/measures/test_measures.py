"""What the index takes of each measure: records of the SAEs that are there, and all made alike."""

import dataclasses
import json

import pytest
from aurorascope.blocks import BY_ID
from aurorascope.config.model import from_mapping
from aurorascope.config.resolve import resolve
from aurorascope.errors import UserError
from aurorascope.measures.all import MEASURES
from aurorascope.measures.held_out.record import HELD_OUT
from aurorascope.measures.measure import Measure, Panel, waits
from aurorascope.records import KINDS, Kind
from aurorascope.waiting import Waiting

BLOCKS = ("encoder_s0_b0", "encoder_s1_b5", "decoder_s0_b7")
SAES = [{"block": block, "sha256": block[::-1] * 4, "activations_manifest_sha256": "m" * 64, "checkpoint_sha256": "c" * 64} for block in BLOCKS]
every_measure = pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.kind.name)


@pytest.fixture
def config(demo_raw):
    """Three blocks, all of them measured."""
    demo_raw["blocks"] = list(BLOCKS)
    demo_raw["sae"]["boost"] = {"enabled": True}
    demo_raw["evaluation"] = {"fidelity": {"enabled": True}, "stability": {"blocks": list(BLOCKS)}}
    return from_mapping(resolve(demo_raw)[0])


def made_from_sae(measure):
    """Entries of its records that must equal the SAE's, by name."""
    return {mine: its for mine, (other, its) in measure.kind.of.items() if other == "sae"}


def write(measure, results, sae, **changes):
    """A record that says it was made from the SAE, but for the changes; returns its path."""
    path = measure.kind.where(results, block=sae["block"])
    path.parent.mkdir(parents=True, exist_ok=True)
    made_from = {mine: sae[its] for mine, its in made_from_sae(measure).items()}
    alike = {key: [0, 1, 2] if key in ("seeds", "snapshots") else key[0] * 64 for key in measure.alike if key not in made_from}
    record = {"kind": measure.kind.name, "block": sae["block"], "metrics": {name: 0.5 for name in measure.formulas}}
    path.write_text(json.dumps({**record, **made_from, **alike, **changes}))
    return path


@every_measure
def test_entries_of_what_is_measured(measure, config, tmp_path):
    """Metrics and the table's name; null, and no record looked for, where a block is not measured."""
    chosen, saes = measure.blocks(config), [*SAES, {**SAES[0], "block": "encoder_s2_b0"}]
    for sae in SAES:
        write(measure, tmp_path, sae)
    entries = [measure.entry(record) for record in measure.read(tmp_path, saes, config)]
    for sae, entry in zip(saes, entries, strict=True):
        is_chosen = sae["block"] in chosen
        assert set(entry) == {"metrics", measure.kind.index_key} and set(entry["metrics"]) == set(measure.formulas)
        assert all((value is None) != is_chosen for value in (*entry["metrics"].values(), entry[measure.kind.index_key]))
        if is_chosen:
            assert entry[measure.kind.index_key] in measure.kind.released(block=sae["block"])


@every_measure
def test_records_of_another_sae_and_mixtures_are_refused(measure, config, tmp_path):
    """Whatever entry differs: the record is named, with the command that makes it again."""
    chosen = [sae for sae in SAES if sae["block"] in measure.blocks(config)]
    for key in (*made_from_sae(measure), *measure.alike):
        for sae in chosen:
            path = write(measure, tmp_path, sae)
        path = write(measure, tmp_path, sae, **{key: [0, 1] if key in ("seeds", "snapshots") else "0" * 64})
        with pytest.raises(UserError, match=key) as refused:
            measure.read(tmp_path, SAES, config)
        assert str(path) in str(refused.value) and refused.value.fix.startswith(f"rm -f {path}")


@every_measure
def test_a_lost_record_is_named(measure, config, tmp_path):
    with pytest.raises(UserError, match=measure.kind.name) as refused:
        measure.read(tmp_path, SAES, config)
    assert str(measure.kind.where(tmp_path, block=measure.blocks(config)[0])) == refused.value.where


def test_a_measure_that_is_half_declared_is_refused():
    for kind in (KINDS["states"], dataclasses.replace(HELD_OUT.kind, of={})):
        with pytest.raises(ValueError, match=f"measure {kind.name}: its kind needs an index_key, a table, a stage and an entry of the SAE's"):
            dataclasses.replace(HELD_OUT, kind=kind)
    with pytest.raises(ValueError, match="measure evaluation: x have no formula"):
        dataclasses.replace(HELD_OUT, panels=(Panel("x", ""),))
    with pytest.raises(TypeError, match="reads_stores"):
        Measure(HELD_OUT.kind, {}, lambda config: (), (), lambda config, estimate: None)


@every_measure
def test_a_section_where_nothing_was_measured_is_empty(measure):
    nothing = [{"component": "encoder", "stage": 0, "id": BLOCKS[0], **measure.entry(None)}]
    assert measure.section(nothing) == ""


def test_what_waits_answers_its_claim(tmp_path, config):
    """Of another claim it does not wait, nor where what the claim is read from is missing."""
    kind, block = Kind("toy", "toys/{block}.json", "toys"), BY_ID[BLOCKS[0]]
    waiting = Waiting(kind, tmp_path, block.id)
    record = kind.where(waiting.results, block=block.id)
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"kind": "toy", "made_from": "x"}))

    def missing(config, block, results):
        raise UserError(results, "a manifest", "no such file", "make it")

    of_x, of_y = (waits(kind, lambda config, block, results, made_from=each: {"made_from": made_from}) for each in "xy")
    assert not of_x(config, block, tmp_path)
    waiting.leave()
    assert [each(config, block, tmp_path) for each in (of_x, of_y, waits(kind, missing))] == [True, False, False]
