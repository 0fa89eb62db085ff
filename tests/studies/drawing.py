"""Draw finished studies in folders of their own, and read what their pages say."""

import argparse
import contextlib
import copy
import dataclasses
import shutil

from aurorascope.cli import draw_study

from tests.studies import folder


def results_like(small, path):
    """A results folder with the studies of the small one, which others compare, and links to what they are made from."""
    results = path / "results"
    shutil.copytree(small.path / "results/studies", results / "studies")
    (results / "scratch").symlink_to(small.path / "results/scratch")
    return results


def draw(results, name):
    """Run the verb in this process."""
    parser = argparse.ArgumentParser()
    draw_study.add_arguments(parser)
    with contextlib.chdir(results.parent):
        draw_study.run(parser.parse_args(["--study", name, "--results", "results"]), folder.config())


def words(parsed):
    return " ".join(" ".join(text for _, text in parsed.texts).split())


def with_record(study, change):
    """The study with a record that `change` changed."""
    record = copy.deepcopy(dict(study.record))
    change(record)
    return dataclasses.replace(study, record=record)
