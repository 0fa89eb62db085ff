"""`snakemake -c1 verify` names everything that is damaged, with the command that makes it again, and changes nothing."""

import json
import os
import shutil
import subprocess

import pytest
from aurorascope.backbone.model import checkpoint_path
from aurorascope.backbone.static import static_path
from aurorascope.files import write_json
from aurorascope.records import KINDS
from aurorascope.units import size

from tests.workflow.project import BLOCKS, SNAKEMAKE

pytestmark = pytest.mark.slow
STORES = 2 * len(BLOCKS)
YEAR = ("--configfile", "workflow/config/cams-year.yaml")


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def verify(project, *words, ok=True):
    """Its lines, without Snakemake's own, which go to stderr, and the last line that a user reads."""
    done = project.run("-c1", "verify", *words)
    assert (done.returncode == 0) is ok, done.stderr[-3000:]
    return done.stdout.splitlines(), done.stderr.strip().splitlines()[-1]


def summary(lines, **states):
    counts = {"in order": STORES - sum(states.values()), "live": 0, "dropped": 0, "unfinished": 0, "damaged": 0, **states}
    return lines[-2].startswith(f"{STORES} stores: {', '.join(f'{n} {state}' for state, n in counts.items())}; ")


def times(project):
    """When each result was changed, the log of this verb and what Snakemake keeps apart."""
    found = {path: os.lstat(path).st_mtime_ns for path in project.result(".").rglob("*") if path.is_file()}
    return {path: time for path, time in found.items() if path.name != "verify.log"}


def test_a_whole_suite_is_in_order(finished):
    """Two lines of summary, every byte of the stores counted, nothing written but the log, nothing planned."""
    before = times(finished)
    lines, _ = verify(finished)
    assert len(lines) == 2 and summary(lines)
    n, n_files = len(BLOCKS), len(finished.result("SHA256SUMS").read_text().splitlines())
    assert n_files > 7 * n
    assert lines[1] == (
        f"{n} SAEs, {n} evaluations, 0 measured forecasts, 0 comparisons of seeds, 0 evaluations of boosts, 0 atlases, 0 SAEs of stages, "
        f"0 evaluations of stages, 0 boosts, 1 checkpoint, 1 static fields, 6 days of states, 0 references of labels, 0 days of labels, 0 studies, "
        f"0 attributions, 0 circuits, 0 pairs of matched blocks, 0 chains of features, {n_files} files of the release: 0 damaged."
    )
    assert times(finished) == before
    assert lines[0] in finished.result("logs/verify.log").read_text()
    assert not finished.planned()
    sizes = [file["size"] for m in finished.result("scratch/activations").glob("*/*/manifest.json")
             for file in json.loads(m.read_text())["files"].values()]
    assert f"; {size(sum(sizes))} read in " in lines[0]


def test_every_damage_is_named_and_the_commands_mend_it(finished):
    """Bits in a chunk, a label and a manifest, a lost file: one line and one command each; then all is well again."""
    stores = finished.result("scratch/activations")
    flip(stores / BLOCKS[0] / "train" / "store.zarr/activation/c/1/0/0/0/0")
    (stores / BLOCKS[0] / "train" / "store.zarr/activation/c/2/0/0/0/0").unlink()
    flip(stores / BLOCKS[1] / "held_out" / "store.zarr/lat/c/0")
    flip(stores / BLOCKS[2] / "train" / "manifest.json")
    # What the manifest is written from again.
    flip(stores / BLOCKS[2] / "train" / "complete.json")
    (stores / BLOCKS[3] / "held_out" / "moments.safetensors").unlink()
    lines, last = verify(finished, ok=False)
    assert summary(lines, damaged=4) and len(lines) == 6
    for line, (block, split, n) in zip(
        lines, [(BLOCKS[0], "train", "2 files"), (BLOCKS[1], "held_out", "1 file"), (BLOCKS[2], "train", "1 file"),
                (BLOCKS[3], "held_out", "1 file")], strict=False,
    ):
        folder = f"results/scratch/activations/{block}/{split}"
        assert line.startswith(f"{folder}: damaged, {n}: ") and f"snakemake {folder}/manifest.json" in line
    assert last.startswith("verify: ") and "found 4 damaged" in last and last.count("snakemake ") == 3
    pairs = [(BLOCKS[0], "train"), (BLOCKS[1], "held_out"), (BLOCKS[2], "train"), (BLOCKS[3], "held_out")]
    targets = [f"results/scratch/activations/{block}/{split}/manifest.json" for block, split in pairs]
    for target in targets:
        (finished.path / target).unlink()
    finished.make(*targets)
    lines, _ = verify(finished)
    assert summary(lines)


def test_what_stands_beside_the_stores_is_verified(finished):
    """A weight file, its golden vectors, the checkpoint, the static fields and a state: each is named."""
    sae = finished.result(f"saes/sae_{BLOCKS[1]}.pt")
    flip(sae)
    finished.result(f"saes/golden/{BLOCKS[2]}.safetensors").unlink()
    flip(finished.result("scratch/checkpoint/aurora.ckpt"))
    flip(finished.result("scratch/static/static.nc"))
    (chunk, *_) = sorted(finished.result("scratch/cams/2022-06-02.zarr/go3/c").rglob("0"), key=lambda p: not p.is_file())
    flip(chunk)
    lines, last = verify(finished, ok=False)
    assert lines[-1].endswith("files of the release: 5 damaged.") and len(lines) == 7
    for name in (sae.name, "golden", "aurora.ckpt", "static.nc", "2022-06-02.zarr"):
        (line,) = [line for line in lines if name in line]
        assert "Next: rm -f results/" in line or "Next: rm " in line
    assert "2 more commands" in last


def mend(project, line):
    """Type the command that a line names."""
    done = subprocess.run(
        ["bash", "-ec", line.split(" Next: ")[1]], cwd=project.path, capture_output=True, text=True,
        env={**os.environ, "PATH": f"{SNAKEMAKE.parent}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_command_has_the_configuration_that_was_given(finished):
    """Of a file and of words, so that what is made again is of the same run; one damage is said in the singular, too."""
    (finished.path / "mine.yaml").write_text("sae: {checkpoint_minutes: 7}\n")
    words = ("--configfile", "mine.yaml", "--config", "plan={tflops: 30}", "labels={own: null}")
    flip(finished.result(f"evaluation/{BLOCKS[0]}.parquet"))
    _, last = verify(finished, *words, ok=False)
    path = f"results/evaluation/{BLOCKS[0]}.json"
    told = "--cores 1 --configfile mine.yaml --config 'plan={tflops: 30}' 'labels={own: null}'"
    assert last.endswith(f"found 1 damaged, named above. Next: rm -f {path} && snakemake {path} {told}")
    mend(finished, last)
    verify(finished, *words)


def test_tables_and_other_files_of_the_release_are_verified_and_the_commands_mend_them(finished, suite):
    """A table of an evaluation, the module and the card that is gone: what is not mended yet is named again, and digests come last."""
    flip(finished.result(f"evaluation/{BLOCKS[0]}.parquet"))
    finished.result("README.md").unlink()
    (finished.result("aurora_sae.py")).write_text("other\n")
    damaged = [f"evaluation/{BLOCKS[0]}.parquet", "README.md", "aurora_sae.py"]
    while damaged:
        lines, last = verify(finished, ok=False)
        assert lines[-1].endswith(f"files of the release: {len(damaged)} damaged.")
        names = [line.split(":")[0].removeprefix("results/") for line in lines[1:-1]]
        assert names == damaged
        assert last.endswith("when all others are mended, rm -f results/SHA256SUMS && snakemake results/SHA256SUMS --cores 1")
        mend(finished, lines[1])
        del damaged[0]
    lines, _ = verify(finished)
    assert len(lines) == 2
    assert finished.result("SHA256SUMS").read_bytes() == suite.result("SHA256SUMS").read_bytes()
    finished.result("SHA256SUMS").unlink()
    lines, last = verify(finished, ok=False)
    assert lines[1].startswith("results/SHA256SUMS: ") and "1 damaged, named above. Next: snakemake results/SHA256SUMS" in last
    # A number that was changed by hand would be digested anew.
    record = finished.record(f"evaluation/{BLOCKS[0]}.json")
    write_json(finished.result(f"evaluation/{BLOCKS[0]}.json"), {**record, "metrics": {**record["metrics"], "fve": 0.999}})
    lines, last = verify(finished, ok=False)
    path = f"results/evaluation/{BLOCKS[0]}.json"
    assert lines[1].startswith(f"{path}: expected fve {record['metrics']['fve']}, as results/sae_index.json has it, since one of the two was changed, found 0.999. Next: rm -f {path}")
    assert lines[2].startswith("results/SHA256SUMS: ") and "2 damaged, named above. Next: rm -f" in last
    for line in lines[1:3]:
        mend(finished, line)
    verify(finished)
    assert finished.result("SHA256SUMS").read_bytes() == suite.result("SHA256SUMS").read_bytes()


def test_live_dropped_and_unfinished_stores_are_not_damaged(finished):
    """Chunks absent on purpose and a store still being made are counted apart; a stray file is only noted."""
    stores = finished.result("scratch/activations")
    for block, why in zip(BLOCKS, ("live", "dropped"), strict=False):
        shutil.rmtree(stores / block / "train" / "store.zarr" / "activation" / "c")
        (stores / block / "train" / "absent.json").write_text(json.dumps({"kind": "absent", "why": why}))
    (stores / BLOCKS[2] / "train" / "manifest.json").unlink()
    (stores / BLOCKS[3] / "train" / "store.zarr" / "notes.txt").write_text("mine")
    lines, _ = verify(finished)
    assert summary(lines, live=1, dropped=1, unfinished=1)
    assert f"{BLOCKS[2]}/train: unfinished" in lines[0] and "also holds store.zarr/notes.txt" in lines[1]
    (stores / BLOCKS[0] / "train" / "absent.json").unlink()
    lines, _ = verify(finished, ok=False)
    assert summary(lines, dropped=1, unfinished=1, damaged=1)
    assert "no such file" in lines[0]


def test_another_runs_folder_is_verified_and_stays_its_own(finished, tmp_path, monkeypatch):
    """Whatever the configuration says, and also a bare folder, which stays anyone's."""
    monkeypatch.setenv("SCRATCH", str(tmp_path / "disk"))
    before = finished.result("run.json").read_bytes()
    lines, _ = verify(finished, *YEAR)
    assert summary(lines)
    assert finished.result("run.json").read_bytes() == before
    assert not finished.planned()
    shutil.rmtree(finished.result("."))
    lines, _ = verify(finished)
    assert lines[0].startswith("0 stores: ") and lines[1].startswith("0 SAEs, ")
    assert not finished.result("run.json").exists()


def test_files_beside_records_are_where_they_are_made(tmp_path):
    """The names that verify looks for are those that the checkpoint and the statics are written under."""
    for kind, path_of in (("checkpoint", checkpoint_path), ("static", static_path)):
        record = KINDS[kind].where(tmp_path)
        assert KINDS[kind].digests(record, {"sha256": "0"}) == {path_of(record): "0"}
