"""What pins the kernels of each library, and what is refused because nothing does."""

import json
import os
import subprocess
import sys

import pytest
from aurorascope.errors import UserError
from aurorascope.portable.switches import (
    EMULATED,
    SWITCHES,
    as_record,
    check_platform,
    is_asked_for,
    told,
    with_switches,
)

HERE = {"machine": "x86_64", "libc": "glibc", "gpus": []}


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_an_x86_machine_without_a_gpu_is_taken(device):
    """What the mode is for."""
    check_platform(device, **HERE)
    check_platform("cpu", **HERE | {"gpus": ["0"]})


@pytest.mark.parametrize(
    ("device", "change", "said"),
    [
        ("auto", {"machine": "aarch64"}, "an x86-64 CPU.*found aarch64"),
        ("auto", {"machine": "arm64"}, "an x86-64 CPU.*found arm64"),
        ("cpu", {"libc": "darwin"}, "Linux with glibc.*found darwin"),
        ("cuda", {}, "a GPU's kernels follow its model, found aurora.device: cuda.*aurora.device: cpu"),
        ("cuda:1", {}, "found aurora.device: cuda:1"),
        ("auto", {"gpus": ["0"]}, "auto where 1 GPU is visible.*aurora.device: cpu"),
        ("auto", {"gpus": ["0", "1"]}, "2 GPUs are visible"),
    ],
)
def test_what_no_switch_pins_is_refused(device, change, said):
    """With the reason and what to set instead."""
    with pytest.raises(UserError, match=f"config key compute.portable: expected .*{said}"):
        check_platform(device, **HERE | change)


def test_all_switches_are_set_and_what_was_set_otherwise_is_named():
    """The environment itself stays as it is."""
    before = {"MKL_CBWR": "AVX2", "OPENBLAS_CORETYPE": "Nehalem", "LANG": "C"}
    environ = with_switches(before)
    assert before == {"MKL_CBWR": "AVX2", "OPENBLAS_CORETYPE": "Nehalem", "LANG": "C"}
    assert {name: environ[name] for name in SWITCHES} == SWITCHES and environ["LANG"] == "C"
    (line,) = told(environ)
    assert "MKL_CBWR=AVX2 of the environment is overridden, for this process only" in line and "OPENBLAS" not in line
    assert told(with_switches({})) == []
    # The process that takes the place of the first finds everything set, and still says what was overridden.
    assert with_switches(environ) == environ


def test_a_variable_that_numpy_takes_with_no_other_is_dropped_and_named():
    """NumPy refuses to load where features are both enabled and disabled."""
    environ = with_switches({"NPY_ENABLE_CPU_FEATURES": "X86_V3"})
    assert "NPY_ENABLE_CPU_FEATURES" not in environ and "NPY_ENABLE_CPU_FEATURES=X86_V3" in told(environ)[0]


def test_switches_that_emulate_stay_and_are_told():
    """So that one machine can be made to behave like another."""
    environ = with_switches({EMULATED: "GLIBC_TUNABLES, MKL_CBWR", "GLIBC_TUNABLES": "x=y", "ONEDNN_MAX_CPU_ISA": "AVX2"})
    assert environ["GLIBC_TUNABLES"] == "x=y" and "MKL_CBWR" not in environ
    lines = "\n".join(told(environ))
    assert "GLIBC_TUNABLES stays x=y" in lines and "MKL_CBWR stays unset" in lines and "ONEDNN_MAX_CPU_ISA=AVX2" in lines
    assert as_record(environ)["switches"] == {name: environ.get(name) for name in SWITCHES}
    with pytest.raises(UserError, match=f"{EMULATED}.*found MKL_CBRW"):
        with_switches({EMULATED: "MKL_CBRW"})


def test_only_a_configuration_that_asks_for_it_is_portable(tmp_path):
    """A missing or a damaged one is for the verb to complain of."""
    path = tmp_path / "config.json"
    assert not is_asked_for(None) and not is_asked_for(str(path))
    for content, expected in (("{", False), ("[]", False), ("{}", False), ('{"compute": {"portable": true}}', True)):
        path.write_text(content)
        assert is_asked_for(str(path)) == expected


def test_every_library_finds_its_switch(root):
    """In a process that started without any: kernels of torch, NumPy and OpenBLAS, and what the C library was told."""
    code = (
        "import json, os, sys\n"
        "from aurorascope.portable.switches import restart_with_switches\n"
        "restart_with_switches()\n"
        "import numpy as np, torch\n"
        "from threadpoolctl import threadpool_info\n"
        "blas = [i['architecture'] for i in threadpool_info() if i['internal_api'] == 'openblas']\n"
        "from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__\n"
        "wide = [name for name in __cpu_dispatch__ if __cpu_features__[name]]\n"
        "print(json.dumps([torch.backends.cpu.get_cpu_capability(), blas, wide, os.environ['GLIBC_TUNABLES'], sys.argv]))\n"
    )
    environ = {k: v for k, v in os.environ.items() if k not in SWITCHES} | {"PYTHONPATH": str(root / "workflow")}
    done = subprocess.run([sys.executable, "-c", code, "a word"], env=environ, capture_output=True, text=True, check=True)
    capability, blas, wide, tunables, words = json.loads(done.stdout)
    assert (capability, set(blas), wide, tunables) == ("DEFAULT", {"Nehalem"}, [], SWITCHES["GLIBC_TUNABLES"])
    assert words == ["-c", "a word"]


def test_a_wrong_name_to_emulate_ends_the_verb_with_one_line(root, tmp_path):
    """Before any library is loaded."""
    (tmp_path / "config.json").write_text('{"compute": {"portable": true}}')
    environ = {"AURORASCOPE_CONFIG": str(tmp_path / "config.json"), EMULATED: "MKL", "PYTHONPATH": str(root / "workflow")}
    command = [sys.executable, "-m", "aurorascope", "train_sae"]
    done = subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith(f"train_sae: the variable {EMULATED}: expected names of MKL_CBWR")
