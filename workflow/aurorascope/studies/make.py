"""Run the study of a file and write its results; one that was killed goes on with the arm that it was at."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from aurorascope.config.model import Config
from aurorascope.files import sha256_json, write_json
from aurorascope.locks import folder_lock
from aurorascope.provenance import provenance
from aurorascope.studies.checks import axes_of
from aurorascope.studies.claim import KIND, make_claim
from aurorascope.studies.inputs import made_with, open_inputs
from aurorascope.studies.kept_arms import KeptArms
from aurorascope.studies.kinds import kind_of
from aurorascope.studies.needs import needs_of
from aurorascope.studies.study_file import FOLDER, naming, read_study_file
from aurorascope.studies.study_kind import Key
from aurorascope.studies.write import write_study

_LOG = logging.getLogger(__name__)


def make_study(config: Config, name: str, results: Path, device: torch.device, folder: Path = FOLDER) -> None:
    """Run the study `folder/<name>.yaml` and write `studies/<name>` of the results folder.

    Args:
        config: the configuration.
        name: of the study.
        results: the results folder, with checkpoint, static fields, SAEs, states and labels.
        device: where Aurora runs.
        folder: of studies' files.

    Raises:
        UserError: the file is wrong, or a result that it needs is missing, damaged or of another run; before any forward.
        TryAgainError: another process runs this study.
    """
    file = read_study_file(name, folder)
    needs, kind = needs_of(file, config.cams), kind_of(file)
    with naming(file.path):
        study = kind.read(file)
    claim, work = make_claim(config, file, needs, results), results / "scratch" / "studies" / "arms" / name
    with folder_lock(work):
        inputs = open_inputs(config, needs, claim, results, work, device)
        with naming(file.path):
            prepared = kind.prepare(study, inputs, claim, results)
            content = {**claim, **prepared.notes}
            kept = KeptArms(_own_folder(work, sha256_json({**content, "made_with": made_with(device)})), kind)
            done = kept.read()
            if done:
                _LOG.info("%d arms were kept by an earlier job.", len(done))
            made = prepared.run(done, _telling(kept.keep))
        record = KIND.where(results, study=name)
        # No number depends on it, and nothing of it is in the record.
        write_json(record.with_name("provenance.json"), provenance(device, config.compute))
        write_study(record, content, made, *axes_of(inputs.batches[needs.dates[0]]))
        _LOG.info("%s: %s", name, "; ".join(f"{outcome}: {found['word']}" for outcome, found in made.summary["outcomes"].items()))
        shutil.rmtree(work, ignore_errors=True)


def _own_folder(work: Path, digest: str) -> Path:
    """The folder of this digest; all others, of arms that nothing goes on from and what a killed job left, are deleted."""
    for path in work.iterdir():
        if path.is_dir() and path.name != digest:
            shutil.rmtree(path)
    return work / digest


def _telling(keep: Callable[[Key, Any], None]) -> Callable[[Key, Any], None]:
    def kept(key: Key, measured: Any) -> None:
        keep(key, measured)
        _LOG.info("%s: %s has run.", *key)

    return kept
