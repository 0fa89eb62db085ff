"""Commands that users are told to type do what is meant: with the configuration that the running command was given."""

import shlex

import pytest
from aurorascope.errors import GIVEN, UserError, as_then, remake, snakemake


@pytest.mark.parametrize("given", ["", "--configfile mine.yaml --config 'labels={own: my masks}'"])
def test_a_command_has_what_was_given(monkeypatch, given):
    monkeypatch.setenv(GIVEN, given)
    words = shlex.split(given)
    assert shlex.split(snakemake("verify -c1")) == ["snakemake", "verify", "-c1", *words]
    assert shlex.split(remake("a.json")) == ["rm", "-f", "a.json", "&&", "snakemake", "a.json", "--cores", "1", *words]
    assert UserError.stale("a.json", "one", "another").one_line().endswith(f"Next: {remake('a.json')}")
    assert as_then() == ""


def test_outside_of_snakemake_it_says_what_it_lacks(monkeypatch):
    monkeypatch.delenv(GIVEN, raising=False)
    assert remake("a.json") == "rm -f a.json && snakemake a.json --cores 1"
    assert as_then() == " with the same --configfile and --config as then"
