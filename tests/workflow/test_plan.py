"""`snakemake -c1 plan` says what a run will cost, and changes nothing; a dump that does not fit does not begin."""

import shutil
import subprocess
import sys

import pytest
import yaml
from aurorascope.activations.space import there
from aurorascope.config import from_mapping
from aurorascope.config.calendar import SPLITS
from aurorascope.config.resolve import resolve
from aurorascope.costs.estimate import estimate
from aurorascope.costs.need import total

from tests.workflow.project import BLOCKS, ROOT, SNAKEMAKE, Project, tiny_config

pytestmark = pytest.mark.slow
YEAR = ("--configfile", "workflow/config/cams-year.yaml")


@pytest.fixture(autouse=True)
def disk(tmp_path, monkeypatch):
    """The folder that the year's heavy files would go to."""
    monkeypatch.setenv("SCRATCH", str(tmp_path / "disk"))
    return tmp_path / "disk"


def can_unshare(*options):
    tried = shutil.which("unshare") and subprocess.run(["unshare", *options, "true"], capture_output=True)
    return tried and tried.returncode == 0


def plan(project, *words):
    """The plan's lines, without Snakemake's own, which go to stderr."""
    done = project.run("-c1", "plan", *words)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_year_is_planned_in_a_bare_folder(tmp_path, disk):
    """Its figures are printed and logged, and the folder is still anyone's: the demo may follow."""
    project = Project.create(tmp_path / "project", yaml.safe_load((ROOT / "config.yaml").read_text()))
    text = plan(project, *YEAR)
    for words in ("365 train + 20 held_out", "87.8 GB", "1,460,152,320", "1,272,694,198", "4.80 GB", "1.97 TB"):
        assert words in text, words
    assert text.strip().splitlines()[-1].startswith(("It fits.", "It does not fit."))
    assert text.strip() in project.result("logs/plan.log").read_text()
    assert not project.result("run.json").exists()
    assert {path.name for path in project.result(".").iterdir()} == {"logs"} and not disk.exists()
    assert "demo on 46 x 90" in plan(project)
    done = project.run("--dry-run", "--cores", "1", *YEAR)
    assert done.returncode == 0 and "another clone" not in done.stdout + done.stderr
    assert not disk.exists()


def test_the_year_without_a_large_disk_is_refused_at_once(finished):
    """Also by a dry run: the variable that is not set, and the next command; with it null, all is planned."""
    line = finished.fail("--dry-run", *YEAR, SCRATCH="")
    assert line.startswith("config key storage.scratch: ") and "SCRATCH not set" in line
    assert line.endswith("export SCRATCH=/path/on/a/large/disk, or append --config 'storage={scratch: null}'")
    assert "another run" in plan(finished, *YEAR, "--config", "storage={scratch: null}")


def test_a_finished_run_has_nothing_left(finished):
    """Days, stores, SAEs and evaluations are counted as there, and nothing is to be made afterwards."""
    text = plan(finished)
    for words in ("6 days already there", f"{2 * len(BLOCKS)} finished stores already there", "It fits.",
                  f"{len(BLOCKS)} SAEs already there", f"{len(BLOCKS)} records already there"):
        assert words in text, words
    (room,) = [line.split() for line in text.splitlines() if line.startswith("  files to be made")]
    assert room[4] == "0"
    assert not finished.planned()


def test_saes_of_other_settings_are_not_counted_as_there(finished):
    """Nor what was measured of them; other settings of a measure leave its SAEs."""
    finished.configure(tiny_config(sae__seed=7))
    text = finished.make("plan", cores=1).stdout
    assert "no SAEs there yet" in text and "evaluation" in text and "no records there yet" in text
    finished.configure(tiny_config(evaluation__lat_bands=[-90, 0, 90]))
    text = finished.make("plan", cores=1).stdout
    assert "4 SAEs already there" in text and "no records there yet" in text


def test_planning_another_run_changes_and_counts_nothing_here(finished):
    """A demo's folder plans the year: it stays the demo's, and its days and stores are not the year's."""
    before = finished.result("run.json").read_bytes()
    text = plan(finished, *YEAR)
    assert "This folder holds another run" in text
    assert "no days there yet" in text and "no finished stores there yet" in text
    assert finished.result("run.json").read_bytes() == before
    assert not finished.planned()


def test_a_plan_beside_another_target_is_a_run_like_any_other(finished):
    """The word `plan` on the line is no way past the folder's identity."""
    before = finished.hashes()
    finished.result("saes/sae_encoder_s1_b5.pt").unlink()
    line = finished.fail("plan", "results/saes/sae_encoder_s1_b5.pt", "--config", "aurora={embed_dim: 32}")
    assert "aurora.embed_dim: 32" in line and "replace_results=true" in line
    assert finished.hashes() == before
    assert finished.record("run.json")["aurora.embed_dim"] == 16


def test_a_changed_date_is_not_counted_as_there(finished):
    """A store of other dates than the configuration's is unfinished."""
    finished.configure(tiny_config(cams__train={"start": "2022-06-01", "end": "2022-06-05"}))
    text = plan(finished)
    assert "6 days already there" in text and f"{len(BLOCKS)} finished stores already there" in text


def test_the_plan_needs_no_network(finished):
    """It runs where there is not even loopback."""
    if not can_unshare("-rn"):
        pytest.skip("this system does not let us make a network namespace")
    done = subprocess.run(
        ["unshare", "-rn", str(SNAKEMAKE), "-c1", "plan"], cwd=finished.path, capture_output=True, text=True
    )
    assert done.returncode == 0 and "It fits." in done.stdout, done.stderr[-3000:]


def test_the_grid_of_the_users_own_days_is_read(suite, bare, tmp_path):
    """From the first file that is there; without one, the plan says what it assumes."""
    folder = tmp_path / "days"
    folder.mkdir()
    static = {"source": "file", "path": "static.nc"}
    bare.configure(tiny_config(cams__source="local", cams__directory=str(folder), static=static))
    assert "a grid of 451 x 900 is assumed" in plan(bare)
    shutil.copy(suite.result("scratch/cams/2022-06-02.zip"), folder)
    text = plan(bare)
    assert "local on 19 x 36" in text and "assumed." not in text


def test_stores_and_days_are_as_large_as_estimated(suite):
    """A real run's files, inodes exactly, bytes of stores within 5 %, of the demo's days within 30 %; and its steps."""
    e = estimate(from_mapping(resolve(tiny_config())[0]), (19, 36))
    expected = total(list(e.store_needs().values()))
    found = there(suite.result("scratch/activations"))
    assert found.inodes - 1 == expected.inodes == sum(e.store_needs()[b, s].inodes for b in BLOCKS for s in SPLITS)
    assert found.content == pytest.approx(expected.content, rel=0.05)
    assert [suite.record(f"saes/sae_{cost.block.id}.json")["training"]["n_steps"] for cost in e.blocks] == [cost.steps for cost in e.blocks]
    days = e.days.states + e.days.zips
    found = there(suite.result("scratch/cams"))
    assert found.inodes - 1 == days.inodes
    # Fields of so few cells compress worse than those of the 46 x 90 grid that the ratios were measured on.
    assert found.content == pytest.approx(days.content, rel=0.3)


FULL_DISK = """
set -eu
mv results/scratch saved && mkdir results/scratch
mount -t tmpfs -o size=64m tmpfs results/scratch
cp -a saved/checkpoint saved/static saved/states saved/cams results/scratch/
fill() {{ snakemake fill_activations --cores 1 >out.$1 2>&1 && echo "$1 filled" || echo "$1 refused"; }}
snakemake() {{ {snakemake} "$@"; }}
head -c $(($(df --output=avail -B1 results/scratch | tail -1) - 1000000)) /dev/zero >results/scratch/ballast
fill bytes
test ! -e results/scratch/activations && echo "nothing begun"
snakemake results/scratch/activations/encoder_s1_b5/held_out/manifest.json --cores 1 >out.one 2>&1 && echo "one fits"
rm results/scratch/ballast
used=$(df --output=iused results/scratch | tail -1)
mount -o remount,nr_inodes=$((used + 60)) results/scratch
fill inodes
mount -o remount,nr_inodes=$((used + 60000)) results/scratch
fill roomy
"""


@pytest.mark.long
def test_a_dump_that_does_not_fit_does_not_begin(finished):
    """On a small disk: refused for bytes and for inodes, one block's store still fits, and with room all are filled."""
    if not can_unshare("-rm"):
        pytest.skip("this system does not let us make a mount namespace")
    script = FULL_DISK.format(snakemake=f"{sys.executable} -m snakemake")
    done = subprocess.run(["unshare", "-rm", "bash", "-c", script], cwd=finished.path, capture_output=True, text=True)
    if "mount:" in done.stderr:
        pytest.skip("this system does not let us mount a small file system")
    said = ["bytes refused", "nothing begun", "one fits", "inodes refused", "roomy filled"]
    assert done.stdout.splitlines() == said, done.stderr + (finished.path / "out.bytes").read_text()[-2000:]
    for name in ("bytes", "inodes"):
        line = (finished.path / f"out.{name}").read_text().strip().splitlines()[-1]
        assert line.startswith("fill_activations: the file system of results/scratch: expected room"), line
        assert "fewer `blocks`" in line and "sae_<block>.pt" in line and "storage.scratch" in line
