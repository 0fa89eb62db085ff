"""Trace the circuit of a file and write its results; a job that was killed goes on with the run or the pair of blocks that it was at."""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from aurorascope.attribution.claim import make_claim as make_attribution_claim
from aurorascope.attribution.graphs import computes_again
from aurorascope.attribution.make import usual_file
from aurorascope.attribution.outcome_file import FOLDER as OUTCOMES
from aurorascope.attribution.outcome_file import naming as naming_outcome
from aurorascope.attribution.quiet import make_usual
from aurorascope.attribution.target import read_target
from aurorascope.attribution.value import Value
from aurorascope.backbone.model import load_model
from aurorascope.backbone.static import load_static
from aurorascope.blocks import BY_ID
from aurorascope.circuits.attributed import Attributed, read_attributed
from aurorascope.circuits.circuit_file import FOLDER, CircuitFile, read_circuit_file
from aurorascope.circuits.claim import KIND, make_claim
from aurorascope.circuits.draws import Draws, draw
from aurorascope.circuits.judge import judge, pair_facts
from aurorascope.circuits.measure import Arrays
from aurorascope.circuits.needs import CircuitNeeds, needs_of
from aurorascope.circuits.site import Site
from aurorascope.circuits.tables import edge_table, node_table, value_table
from aurorascope.circuits.trace import Key, Open, trace
from aurorascope.circuits.write import write_circuit
from aurorascope.config.model import Config
from aurorascope.files import sha256_json, write_json
from aurorascope.interventions.sites import check_saes
from aurorascope.locks import folder_lock
from aurorascope.provenance import provenance
from aurorascope.records import KINDS
from aurorascope.sae.opening import open_sae
from aurorascope.studies.inputs import Batches, made_with
from aurorascope.studies.kept_arms import KeptArms

_LOG = logging.getLogger(__name__)
# Inputs in memory: each date is done before the next.
_KEPT = 1


class _Packing:
    """Of what is measured, which is arrays alone."""

    @staticmethod
    def pack(arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        return {}, arrays

    @staticmethod
    def unpack(_rows: Mapping[str, Any], arrays: Arrays) -> Arrays:
        return arrays


def make_circuit(
    config: Config, name: str, results: Path, device: torch.device, folder: Path = FOLDER, outcomes: Path = OUTCOMES
) -> None:
    """Trace the circuit `folder/<name>.yaml` and write `circuits/<name>` of the results folder.

    Args:
        config: the configuration.
        name: of the circuit.
        results: the results folder, with checkpoint, static fields, SAEs, states, labels and attributions of the outcome.
        device: where Aurora runs.
        folder: of circuits' files.
        outcomes: folder of outcomes' files.

    Raises:
        UserError: a file is wrong, or a result that it needs is missing, damaged or of another run; before any forward.
        TryAgainError: another process traces this circuit.
    """
    file = read_circuit_file(name, folder)
    needs = needs_of(file, config.cams, outcomes)
    with naming_outcome(needs.outcome.path):
        read_target(needs.outcome)
    claim, work = make_claim(config, file, needs, results), results / "scratch" / "circuits" / name
    read = read_attributed(file, needs, claim["attribution_sha256"], results)
    draws = draw({block: each.chosen for block, each in read.items()}, {block: each.uses for block, each in read.items()},
                 file.n_sets, file.n_partitions, file.seed)
    with folder_lock(work):
        opened = _open(config, file, needs, draws, results, work, device)
        kept = KeptArms(_own_folder(work, sha256_json({**claim, "made_with": made_with(device)})), _Packing())
        done = kept.read()
        if done:
            _LOG.info("%d parts were kept by an earlier job.", len(done))

        def keep(key: Key, arrays: Arrays) -> None:
            kept.keep(key, arrays)
            _LOG.info("%s: %s.", *key)

        with naming_outcome(needs.outcome.path):
            measured = trace(opened, needs.of_outcome.dates, done, keep)
        record, dates, halves = KIND.where(results, circuit=name), needs.of_outcome.dates, needs.halves
        nodes = node_table(measured, dates, halves, draws, {block: each.uses for block, each in read.items()})
        edges, values = edge_table(measured, dates, halves, draws), value_table(measured)
        summary = judge(edges, values, file.n_sets, file.n_partitions) | {"nodes": _nodes(read), "pairs": pair_facts(edges), "sets": _sets(draws)}
        # No number depends on it, and nothing of it is in the record.
        write_json(record.with_name("provenance.json"), provenance(device, config.compute))
        write_circuit(record, {**claim, **summary}, {"nodes": nodes, "edges": edges, "values": values})
        _LOG.info("%s: %s. %s", name, summary["word"], " ".join(summary["against"]))
        shutil.rmtree(work, ignore_errors=True)


def _open(config: Config, file: CircuitFile, needs: CircuitNeeds, draws: Draws, results: Path, work: Path, device: torch.device) -> Open:
    scratch, of_outcome = results / "scratch", needs.of_outcome
    model = load_model(KINDS["checkpoint"].where(results), autocast=config.aurora.autocast, device=device)
    saes = check_saes(model, {block: open_sae(KINDS["sae"].where(results, block=block))[0] for block in file.blocks})
    static, with_what = load_static(KINDS["static"].where(results)), made_with(device)
    batches, quiet = (
        Batches(scratch, {date: of_outcome.time(date) for date in dates}, static, device, _KEPT)
        for dates in (of_outcome.dates, of_outcome.quiet_dates)
    )
    grid = tuple(map(int, batches[of_outcome.dates[0]].spatial_shape))
    if computes_again(BY_ID[file.blocks[0]], grid, model.backbone.embed_dim):
        model.configure_activation_checkpointing()
    labels = scratch / "labels" if of_outcome.has_labels else None
    target = read_target(needs.outcome)
    with naming_outcome(needs.outcome.path):
        for date in of_outcome.dates:
            Value(target, batches[date], labels)
    claims = {block: make_attribution_claim(config, needs.outcome, of_outcome, block.id, results) for block in saes}
    files = {block: usual_file(scratch / "attribution", work, of_outcome, claims[block], with_what) for block in saes}
    usual = make_usual(model, saes, quiet, of_outcome.quiet_dates, files)
    sites = [Site.of(block, sae, usual[block], draws.ids(block.id)) for block, sae in saes.items()]
    return Open(model, sites, draws, batches.__getitem__, lambda date: Value(target, batches[date], labels))


def _own_folder(work: Path, digest: str) -> Path:
    """The folder of this digest; all others, which nothing goes on from, are deleted."""
    for path in work.iterdir():
        if path.is_dir() and path.name != digest:
            shutil.rmtree(path)
    return work / digest


def _nodes(read: Mapping[str, Attributed]) -> dict[str, dict[str, Any]]:
    """For the record, of each block."""
    return {
        block: {
            "n": len(each.chosen.ids), "n_wanted": each.chosen.n_wanted, "share": each.chosen.share, "n_features": each.n_features,
            "absolute": each.absolute, "like": each.like,
        }
        for block, each in read.items()
    }


def _sets(draws: Draws) -> dict[str, Any]:
    """For the record, how well stand-ins match."""
    return {"n_nodes": sum(map(len, draws.nodes.values())), "n_matched": dict(draws.n_matched)}
