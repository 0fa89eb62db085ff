"""Which two dictionaries a target names, and what can be told of them before anything is made. Nothing heavy is imported here.

`results/matches/encoder_s1_b5__encoder_s1_b6.json` is of two blocks of this run; `encoder_s1_b5__card.encoder_s1_b5` of one of this run and
one of the suite in the folder `suites/card`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from aurorascope.blocks import BY_ID, Block, nearest_block
from aurorascope.config.model import Config
from aurorascope.errors import UserError, nearest
from aurorascope.files import find_record
from aurorascope.measures.held_out.claim import KIND as EVALUATION
from aurorascope.measures.held_out.claim import STATISTICS
from aurorascope.measures.stability.formulas import MOST_MATCHED
from aurorascope.records import KINDS
from aurorascope.sae.architectures import ARCHITECTURES, RELEASED

FOLDER = Path("suites")
"""Of other suites, in the folder that a run is started in: copied releases, or links to results of other runs, by their names."""

COSINE, CORRELATION = "cosine", "correlation"
"""What tells which features are alike: directions of the decoders, in blocks of one stage; in others what features do on the same dates."""

FROM = "get it again from where this suite came from"


@dataclass(frozen=True)
class Pair:
    """Two dictionaries.

    Attributes:
        a: a block of this run.
        b: a block of this run, or of the other suite.
        suite: name of the other suite; None where both are of this run.
    """

    a: str
    b: str
    suite: str | None = None

    @property
    def second(self) -> str:
        """What the second of them is called."""
        return self.b if self.suite is None else f"{self.suite}.{self.b}"

    @property
    def how(self) -> str:
        """`COSINE` or `CORRELATION`."""
        return COSINE if _stage(BY_ID[self.a]) == _stage(BY_ID[self.b]) else CORRELATION

    def folder(self, results: Path) -> Path:
        """The results folder, or release, that the second is in."""
        return results if self.suite is None else FOLDER / self.suite


def is_signed(config: Config) -> bool:
    """Whether features of this run's SAEs may be negative."""
    return ARCHITECTURES[config.sae.architecture].signed


def named_pair(a: str, b: str, results: Path) -> Pair:
    """The pair that a target names.

    Args:
        a: what stands before the two underscores.
        b: what stands after them.
        results: the results folder.

    Raises:
        UserError: an unknown block, a block twice, or one before one that comes first.
    """
    where = _where(a, b, results)
    suite, _, block = b.rpartition(".")
    pair = Pair(_block(where, a), _block(where, block), suite or None)
    if pair.suite is None:
        _check_order(where, pair, results)
    return pair


def read_pair(a: str, b: str, config: Config, results: Path) -> Pair:
    """`named_pair`, once everything that is known before its job is in order.

    Raises:
        UserError: as of `named_pair`; a block without an SAE, too many features, an unknown suite, or one of another Aurora, of
            another width, or of features with signs where this run's have none.
    """
    where, pair = _where(a, b, results), named_pair(a, b, results)
    for each in (pair.a, *([] if pair.suite else [pair.b])):
        if each not in config.block_ids:
            raise UserError(where, "configured blocks, which have SAEs", each, "add it to the config key blocks")
    if pair.how == CORRELATION:
        _check_number(where, pair, config)
    if pair.suite is not None:
        _check_suite(pair, config, results)
    return pair


def _where(a: str, b: str, results: Path) -> str:
    return str(KINDS["match"].where(results, a=a, b=b))


def across_stages(results: Path, blocks: Sequence[str]) -> list[Path]:
    """Records that are there of two of these blocks that lie in two stages, in forward order."""
    ordered = sorted(blocks, key=lambda block: BY_ID[block].depth_index)
    paths = (KINDS["match"].where(results, a=a, b=b) for a, b in combinations(ordered, 2) if Pair(a, b).how == CORRELATION)
    return [path for path in paths if path.is_file()]


def _stage(block: Block) -> tuple[str, int]:
    return block.component, block.stage


def _block(where: str, block: str) -> str:
    if block not in BY_ID:
        raise UserError(where, "a block of Aurora, or SUITE.BLOCK after the two underscores", repr(block), nearest_block(block))
    return block


def _check_order(where: str, pair: Pair, results: Path) -> None:
    first, second = (BY_ID[each].depth_index for each in (pair.a, pair.b))
    if first == second:
        raise UserError(where, "two blocks", f"{pair.a} twice", "name another, or one of a suite in suites/: SUITE.BLOCK")
    if first > second:
        right = KINDS["match"].where(results, a=pair.b, b=pair.a)
        raise UserError(where, "the block that comes first before the other", f"{pair.a} before {pair.b}", f"ask for {right}")


def _check_number(where: str, pair: Pair, config: Config) -> None:
    # Of another suite how many there are stands in its record; they take no more room than products of this run's.
    for each in (pair.a, pair.b):
        n = BY_ID[each].width(config.aurora.embed_dim) * config.sae.expansion
        if n > MOST_MATCHED:
            raise UserError(where, f"at most {MOST_MATCHED:,} features, which can be matched", f"{n:,} of {each}", "lower sae.expansion")


def suite_names() -> list[str]:
    """Names of the other suites that are there, ascending."""
    return sorted(path.name for path in FOLDER.glob("*") if path.is_dir())


def _check_suite(pair: Pair, config: Config, results: Path) -> None:
    names, folder = suite_names(), pair.folder(results)
    if pair.suite not in names:
        found = f"only {', '.join(names)}" if names else "none"
        fix = nearest(pair.suite, names) if names else f"copy a release there, or make a link: ln -s /path/to/results {folder}"
        raise UserError(folder, "the folder of another suite", found, fix)
    path = KINDS["sae"].where(folder, block=pair.b)
    record = find_record(path, "sae")
    if record is None or not path.with_suffix(".pt").is_file():
        there = [block for block in BY_ID if KINDS["sae"].where(folder, block=block).is_file()]
        found = f"those of {len(there)} blocks" if there else "none"
        fix = nearest(pair.b, there) if there and pair.b not in there else FROM
        raise UserError(path, f"record and weights of an SAE of {pair.b}", found, fix)
    own, other = is_signed(config), RELEASED[record["released_as"]].signed
    if own != other:
        words = {True: "features with signs", False: "features without signs"}
        raise UserError(path, f"{words[own]}, as this run's, {config.sae.architecture}", words[other], "match suites of one kind")
    width = BY_ID[pair.b].width(config.aurora.embed_dim)
    if record["d_model"] != width:
        expected = f"an SAE of {width} channels, as aurora.embed_dim has it"
        raise UserError(path, expected, str(record["d_model"]), "match suites of one Aurora")
    checkpoint = find_record(KINDS["checkpoint"].where(results), "checkpoint")
    if checkpoint is not None:
        check_checkpoint(path, record, checkpoint["sha256"])
    evaluation = find_record(EVALUATION.where(folder, block=pair.b), EVALUATION.name)
    if pair.how == COSINE and (evaluation is None or evaluation.get("statistics_sha256") is None):
        file = folder / STATISTICS.format(block=pair.b)
        raise UserError(file, "the table that says which features are ever on, and its record", "none; older results lack it", FROM)


def check_checkpoint(path: Path, record: dict[str, Any], checkpoint_sha256: str) -> None:
    """Refuse an SAE of another Aurora, whose directions and dates have nothing in common with this run's.

    Raises:
        UserError: it is one.
    """
    if record["checkpoint_sha256"] != checkpoint_sha256:
        found = f"one of {record['checkpoint_sha256'][:12]}"
        raise UserError(path, f"an SAE of this run's checkpoint {checkpoint_sha256[:12]}", found, "match suites of one Aurora")
