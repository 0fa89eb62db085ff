"""Open a results folder, a copied release, or one on the Hugging Face hub, as one suite of sparse autoencoders.

    suite = Suite.open("results")
    print(suite)                             # a table of what is there
    sae = suite["encoder_s1_b5"]             # an AuroraSAE, its bytes compared with the index
    suite.table().sort_values("fve")         # pandas, one row an SAE
    Suite.from_hub("user/repo")              # the same, each file downloaded when it is asked for

Neither Aurora nor the activations are needed; a folder needs no network either.
"""

import functools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aurorascope.blocks import BLOCK_IDS, similar_ids
from aurorascope.errors import UserError, as_then, remake, snakemake
from aurorascope.measures.all import MEASURES
from aurorascope.release.atlas import Atlases, Feature, FeaturePage
from aurorascope.release.boosts import open_boosted
from aurorascope.release.of_stages import load_stage_sae, read_lives, stage_entry
from aurorascope.release.schema import read_index
from aurorascope.release.statistics import read_statistics
from aurorascope.release.weights import read_weights
from aurorascope.spec import DEPTHS

if TYPE_CHECKING:
    import pandas as pd

    from aurorascope.boosting.boosted import Boosted
    from aurorascope.release.hub import Repository
    from aurorascope.sae.aurora_sae import AuroraSAE

_INDEX = "sae_index.json"
_PLACE = ("component", "stage", "block", "depth_index", "d_model", "d_hidden", "n_parameters")


class Suite:
    """The sparse autoencoders that `sae_index.json` of a folder lists, read when they are asked for.

    Args:
        root: the folder, `results` of a run or a copied release.
        index: the content of its `sae_index.json`, valid against the schema.
        repository: where files that are not yet in `root` come from; None where all are there.

    Attributes:
        root: the folder.
        index: the whole index.
        ids: block ids in forward order.
        revision: the commit on the hub, 40 hexadecimal digits; None for a folder.
    """

    def __init__(self, root: Path, index: dict[str, Any], repository: "Repository | None" = None) -> None:
        self.root, self.index, self._repository = root, index, repository
        self.revision = None if repository is None else repository.commit
        self._entries = {sae["id"]: sae for sae in index["saes"]}
        self._stages = {sae["id"]: sae for sae in index.get("stage_saes", [])}
        self.ids = tuple(self._entries)

    @classmethod
    def open(cls, path: Path | str = "results") -> "Suite":
        """The suite of a folder.

        Args:
            path: the folder that holds `sae_index.json`, or that file.

        Raises:
            UserError: there is no index, it is no valid one, or it is of a newer version than this code knows.
        """
        if not isinstance(path, str | os.PathLike):
            raise UserError("Suite.open", "the path of a folder", repr(path), "give results, or the folder of a copied release")
        root = Path(path)
        if root.name == _INDEX and root.is_file():
            root = root.parent
        return cls(root, read_index(root / _INDEX, _other_folder(root) or _again(root, _INDEX, _INDEX)))

    @classmethod
    def from_hub(cls, repository: str, revision: str | None = None) -> "Suite":
        """The suite of a release on the Hugging Face hub, at one commit.

        The index is downloaded now, an SAE and its golden vectors when that SAE is asked for, each into the cache of the
        hub's client and compared with the index like those of a folder.

        Args:
            repository: `user/repo`.
            revision: a commit, branch or tag; None is the newest commit of the branch main, or, where the hub is not reached,
                the newest in the cache, which the log says.

        Raises:
            UserError: there is no such repository, revision or file, the hub is not reached and the cache lacks it, or the
                index is no valid one.
        """
        from aurorascope.release.hub import Repository

        at = Repository.at(repository, revision)
        file = at.fetch(_INDEX)
        return cls(file.parent, read_index(file, at.again(_INDEX)), at)

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __contains__(self, block_id: object) -> bool:
        return block_id in self._entries

    def __getitem__(self, block_id: str) -> "AuroraSAE":
        """`load(block_id)`, verified."""
        return self.load(block_id)

    def entry(self, block_id: str) -> dict[str, Any]:
        """What the index says of one SAE.

        Raises:
            UserError: the suite holds no such SAE; the message names the nearest ids, or the target that makes it.
        """
        if block_id in self._entries:
            return self._entries[block_id]
        if block_id in BLOCK_IDS:
            fix = f"take one of suite.ids, or make it: {snakemake(f'results/saes/sae_{block_id}.pt --cores 1')}{as_then()} (then the index again)"
        elif block_id in self._stages:
            first = self._stages[block_id]["blocks"][0]["id"]
            fix = f"take a block of that stage, {first} for example; the SAE that they share is suite.load_stage({block_id!r}, {first!r})"
        else:
            near = similar_ids(str(block_id), self.ids, cutoff=0.5)
            fix = f"take {' or '.join(near)}" if near else "take one of suite.ids"
        held = f"{len(self)} of {len(BLOCK_IDS)}, {self.ids[0]} … {self.ids[-1]}" if self.ids else "none"
        raise UserError(f"the suite in {self.place()}", f"one of its SAEs ({held})", repr(block_id), fix)

    def load(self, block_id: str, verify: bool = True) -> "AuroraSAE":
        """One SAE on the CPU, read anew at each call: keep what you need, a 2048-wide one has 268 MB.

        Args:
            block_id: such as `encoder_s1_b5`.
            verify: compare the file's sha256 with the index, and the SAE with its golden vectors where those are there.

        Raises:
            UserError: the suite holds no such SAE, its file is missing, or file and index differ.
        """
        sae = read_weights(self, self.entry(block_id), verify)
        sae.read_statistics = functools.partial(self.statistics, block_id)
        return sae

    def boosted(self, block_id: str, verify: bool = True) -> "Boosted":
        """A block's SAE with a second one of what it leaves out; `first` of the two is the SAE alone, as `load` gives it.

        Raises:
            UserError: as of `load`, or there is no second SAE.
        """
        return open_boosted(self, self.load(block_id, verify), block_id, verify)

    def statistics(self, block_id: str) -> "pd.DataFrame":
        """What the features of an SAE usually are on the held-out dates, a row a feature; edits such as `Mean` take it from the SAE.

        Columns: feature and sign as in the atlas; mean, by area over all tokens; active_mean, the same where the feature is on; p99, the
        least value that 99 % of the area where it is on does not exceed. The last two are NaN for one that is never on.

        Raises:
            UserError: the suite holds no such SAE, results are older than this table, or it is not the one that its record names.
        """
        return read_statistics(self, block_id)

    @property
    def stage_ids(self) -> tuple[str, ...]:
        """Ids of the stages that have an SAE of their own (`sae.group: stage`), in forward order."""
        return tuple(self._stages)

    def load_stage(self, stage_id: str, block_id: str, verify: bool = True) -> "AuroraSAE":
        """The SAE that the blocks of a stage share, as one of them has it, on the CPU; feature j is the same direction in all.

        Raises:
            UserError: the suite holds no such SAE, it is not of that block, its file is missing, or file and index differ.
        """
        return load_stage_sae(self, stage_entry(self, self._stages, stage_id), block_id, verify)

    def lives(self, stage_id: str) -> "pd.DataFrame":
        """Where each feature of a stage's SAE lives on the held-out dates, a row a feature and block.

        Columns: feature; block; density, the share of the block's tokens that it is on for; energy, the mean of h^2 over the variance of the
        block's activations; share, the block's part of the feature's energy, NaN for one that never is on.

        Raises:
            UserError: the suite holds no such SAE, or the table is missing or not the one that its record names.
        """
        return read_lives(self, stage_entry(self, self._stages, stage_id))

    def place(self) -> str:
        """Where it is."""
        return str(self._repository or self.root)

    def file(self, name: str) -> Path:
        """A file of the release, fetched where it is not there yet."""
        return self.root / name if self._repository is None else self._repository.fetch(name)

    def has_file(self, name: str) -> bool:
        """Whether the release has a file."""
        return (self.root / name).is_file() if self._repository is None else not self._repository.lacks(name)

    def again(self, name: str, record: str | None = None) -> str:
        """How a record of the release comes back, or a file of it with its record."""
        return _again(self.root, name, record or name) if self._repository is None else self._repository.again(name)

    def select(self, component: str | None = None, stage: int | None = None) -> list[str]:
        """Ids of one component ("encoder", "decoder"), of one stage (0, 1, 2), or of both, in forward order.

        Raises:
            UserError: there is no such component or stage in Aurora.
        """
        if component not in (None, *DEPTHS) or stage not in (None, *range(len(DEPTHS["encoder"]))):
            raise UserError("Suite.select", "component encoder or decoder, stage 0, 1 or 2", f"{component!r}, {stage!r}", "correct it")
        return [
            block_id
            for block_id, sae in self._entries.items()
            if component in (None, sae["component"]) and stage in (None, sae["stage"])
        ]

    def table(self) -> "pd.DataFrame":
        """One row an SAE, indexed by `id`: place, sizes, architecture, recipe, and every scalar metric as float64.

        A metric that is not defined (null in the index) is NaN.
        """
        import pandas as pd

        rows = [
            {
                "id": sae["id"],
                **{key: sae[key] for key in _PLACE},
                "architecture": sae["architecture"]["activation"],
                "recipe": sae["training"]["recipe"],
            }
            for sae in self._entries.values()
        ]
        metrics = pd.DataFrame([sae["metrics"] for sae in self._entries.values()], dtype="float64")
        return pd.concat([pd.DataFrame(rows), metrics], axis=1).set_index("id")

    def find(self, label: str, min_f1: float = 0.0, blocks: Iterable[str] | None = None) -> list[Feature]:
        """Features that follow a label of the atlas, by F1 on the dates that choose, highest first.

        Of each block the 20 best on the dates that choose, and whichever feature has it among its best three. The log says which blocks have
        no atlas, and whether atlases were made with different settings.

        Args:
            label: such as "dust"; one of your own, too.
            min_f1: lowest F1 on the dates that test.
            blocks: a list of ids; None for all that have an atlas.

        Raises:
            UserError: an argument is of the wrong type, there is no atlas, no such label, or a table is not the one that its summary names.
        """
        return Atlases(self).find(label, min_f1, blocks)

    def feature(self, block_id: str, feature: int, sign: int = 1) -> FeaturePage:
        """All that the atlas says of one feature.

        Raises:
            UserError: an argument is of the wrong type, the block has no atlas, there is no such feature, or a table is not the one that its summary names.
        """
        return Atlases(self).page(block_id, feature, sign)

    def __repr__(self) -> str:
        is_known = {name for sae in self._entries.values() for name, value in sae["metrics"].items() if value is not None}
        columns = [column for measure in MEASURES for column in measure.columns if column.metric in is_known]
        lines = [["id", "d_model", "d_hidden", *(column.heading for column in columns)]]
        for sae in self._entries.values():
            values = [(sae["metrics"].get(column.metric), column.form) for column in columns]
            texts = ["n/a" if value is None else format(value, form) for value, form in values]
            lines.append([sae["id"], str(sae["d_model"]), str(sae["d_hidden"]), *texts])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines
        ]
        suite = self.index["suite"]
        partial = "" if len(self) == suite.get("n_expected", len(BLOCK_IDS)) else ", a partial suite"
        title = f"{suite['name']} {suite['version']} in {self.place()}: {len(self)} of {len(BLOCK_IDS)} SAEs{partial}"
        notes = [f"Note: {flag}." for flag in suite.get("flags", []) if not flag.startswith("partial suite")]
        return "\n".join([title, *notes, "", *table])


def _other_folder(root: Path) -> str | None:
    """What to do about a folder without an index that is not that of a run, if more can be told than to fetch it again."""
    if (root / "run.json").is_file() or (root / _INDEX).exists():
        return None
    whole = root.resolve()
    for near in (whole / "results", *whole.parents):
        if (near / _INDEX).is_file():
            return f"give {near}"
    if whole.name == "results" and (whole.parent / "Snakefile").is_file():
        return _make(root, _INDEX)
    if root.is_dir():
        return None
    where = "" if root.is_absolute() else f"; {str(root)!r} is looked for in {Path.cwd()}"
    return f"give the folder results of a clone, or that of a copied release{where}"


def _again(root: Path, name: str, record: str) -> str:
    """How a file comes back: made again where the folder is that of a run, fetched where it is a copy."""
    if not (root / "run.json").is_file():
        return f"get {name} again from where this release came from, or give the folder that holds sae_index.json"
    return _make(root, record)


def _make(root: Path, record: str) -> str:
    folder = root.resolve().parent
    where = "" if folder == Path.cwd() else f"in {folder}: "
    return f"{where}{remake(f'results/{record}')}{as_then()}"
