"""What a command told to a user gives Snakemake: the same configuration as the command that was typed."""

import shlex
from pathlib import Path

import pytest
from aurorascope.config.given import given_words
from snakemake.cli import parse_config


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ([], ""),
        (["labels={own: my_labels}"], "--config 'labels={own: my_labels}'"),
        (["replace_results=true"], "--config replace_results=true"),
        (["labels={own: my masks, thresholds: {jet_speed: 20}}"], "--config 'labels={own: my masks, thresholds: {jet_speed: 20}}'"),
        (["blocks=[encoder_s0_b3, encoder_s1_b5]", "sae={epochs: 3}"], "--config 'blocks=[encoder_s0_b3, encoder_s1_b5]' 'sae={epochs: 3}'"),
        (["storage={scratch: null}"], "--config 'storage={scratch: null}'"),
        (["cams={train: {dates: [2022-06-01]}}"], "--config 'cams={train: {dates: [2022-06-01]}}'"),
        (["""labels={own: "it's: a, folder"}"""], None),
        (["labels={own: $HOME/é #1}"], None),
        (["storage="], "--config storage="),
    ],
)
def test_config_is_read_again_as_it_was(typed, words):
    config = parse_config(typed)
    found = given_words([], config, Path("/work"))
    assert words is None or found == words
    assert parse_config(shlex.split(found)[1:]) == config


def test_files_are_named_from_the_folder_where_they_lie_in_it():
    files = [Path("/srv/run/workflow/config/year.yaml"), Path("/else/my file.yaml")]
    assert given_words(files, {}, Path("/srv/run")) == "--configfile workflow/config/year.yaml '/else/my file.yaml'"
