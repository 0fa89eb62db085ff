"""Train the SAE of a stage, or take up what an earlier run left, and write its files."""

from pathlib import Path

from aurorascope.backbone.device import pick_device
from aurorascope.blocks import Stage
from aurorascope.config.model import Config
from aurorascope.files import write_json
from aurorascope.provenance import provenance
from aurorascope.stage_saes.export import export
from aurorascope.stage_saes.reader import StageReader, open_stage
from aurorascope.training.finished import training_folder
from aurorascope.training.job import TrainingJob
from aurorascope.training.sae_files import SaeFiles


def train_stage_sae(config: Config, stage: Stage, results: Path) -> None:
    """Train the SAE of a stage's blocks, or resume its training, and write its files, the record last.

    Raises:
        UserError: activations are damaged, of another configuration, or differ between the blocks in more than these; another process
            trains this stage; a target is out of reach; there is too little memory; training diverged.
        SystemExit: status 143, after a checkpoint, when SIGTERM or Ctrl-C asked to stop.
    """
    device = pick_device(config.aurora.device)
    reader = StageReader(open_stage(stage.blocks, config, results / "scratch", "train", device), config.sae.normalise)
    job = TrainingJob(config, stage, reader, training_folder(results / "scratch", stage.id), device, "train_stage_sae")
    with job.locked():
        files = SaeFiles(results, stage.id)
        files.sweep()
        # Before it trains: code that changes meanwhile makes nothing of it.
        made_with = provenance(device, config.compute)
        trained, of_steps = job.run()
        recomputed = {"activations_recomputed_on": reader.recomputed_on} if reader.recomputed_on else {}
        write_json(files.provenance, {**made_with, **of_steps, **recomputed})
        export(config, stage, trained, reader, results)
        job.checkpoint.remove()
