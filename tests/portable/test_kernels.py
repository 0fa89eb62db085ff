"""Kernels that replace torch's, and answers that every machine must give."""

import json
import os
import subprocess
import sys

import pytest
from aurorascope.errors import UserError
from aurorascope.portable import recorded
from aurorascope.portable.switches import SWITCHES


def run(root, code, **environment):
    """Run code in a process of its own, since torch's kernels stay replaced; what it prints, as JSON."""
    environ = {k: v for k, v in os.environ.items() if k not in SWITCHES}
    environ |= {"PYTHONPATH": str(root / "workflow"), **environment}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Overriding" not in done.stderr
    return json.loads(done.stdout)


def test_replaced_kernels_are_exact_and_behave_as_torchs_own(root):
    """Square roots are NumPy's, rounded correctly; layouts, types, scalars, views, out=, in place and gradients are as before."""
    code = """
import json, numpy as np, torch
cases = []
def results():
    x = torch.rand(7, 5, generator=torch.Generator().manual_seed(0)).clamp(1e-3)
    g = x.T.double().requires_grad_()
    g.sqrt().sum().backward()
    found = [x.sqrt(), x.T.sqrt(), x[:, ::2].sqrt(), x[0, 0].sqrt(), x[:0].sqrt(), x.double().log(), x.half().sqrt(),
             x.bfloat16().log(), torch.arange(9).sqrt(), (-x).sqrt(), torch.zeros(3).log(), x.clone().sqrt_(), x.clone().T.asin_(),
             torch.sqrt(x, out=torch.empty(0)), torch.acos(x, out=torch.empty(7, 5, dtype=torch.float64)), x.atan(),
             torch.complex(x, x).sqrt().real, torch._foreach_sqrt([x, x.double()])[1], g.grad]
    return x, found
x, before = results()
from aurorascope.portable.kernels import are_replaced, replace_kernels
off = are_replaced(); replace_kernels(); replace_kernels()
_, after = results()
alike = [(a.dtype, a.shape, a.stride()) == (b.dtype, b.shape, b.stride()) and
         torch.allclose(a.double(), b.double(), rtol=1e-3 if a.dtype.itemsize < 4 else 1e-6, equal_nan=True)
         for a, b in zip(before, after, strict=True)]
exact = torch.equal(after[0], torch.from_numpy(np.sqrt(x.numpy())))
optimiser = torch.optim.Adam([p := torch.ones(3, requires_grad=True)]); (p * torch.rand(3)).sum().backward(); optimiser.step()
print(json.dumps([off, are_replaced(), alike, exact, bool((p < 1).all())]))
"""
    off, on, alike, exact, stepped = run(root, code)
    assert (off, on, exact, stepped) == (False, True, True, True)
    assert all(alike), alike


ANSWERS = "import json; from aurorascope.portable.answers import compute_answers; print(json.dumps(compute_answers()))"


def test_this_machine_gives_the_recorded_answers(root):
    """With all switches and, whatever is configured, one thread; this interpreter's check agrees."""
    found = run(root, ANSWERS, **SWITCHES, OMP_NUM_THREADS="2")
    assert found == json.loads(recorded.RECORDED.read_text())
    recorded.check_interpreter()


@pytest.mark.long
@pytest.mark.parametrize("switch", SWITCHES)
def test_answers_see_each_switch(root, switch):
    """A machine wide enough gives others without it, and the error names an operation; on one that is not, none is needed."""
    left = {name: value for name, value in SWITCHES.items() if name != switch}
    found = run(root, ANSWERS, **left)
    if found == json.loads(recorded.RECORDED.read_text()):
        pytest.skip("this CPU has no wider kernels that the switch would keep from use")
    with pytest.raises(UserError, match=r"the bits that \d+ operations give on other machines, found others of (numpy|torch) "):
        recorded.compare(found)


def test_a_library_that_cannot_be_loaded_is_told(tmp_path, monkeypatch):
    """The last line of what it said stands in the error."""
    (tmp_path / "aurorascope").mkdir()
    (tmp_path / "aurorascope" / "__init__.py").touch()
    monkeypatch.setattr(recorded, "__file__", str(tmp_path / "a" / "b" / "recorded.py"))
    with pytest.raises(UserError, match="libraries that can be loaded, found .*No module named 'aurorascope.portable'"):
        recorded.check_interpreter()


def test_an_answer_that_is_missing_is_another():
    """Answers of an older code are not taken for the present ones."""
    answers = json.loads(recorded.RECORDED.read_text())
    recorded.compare(answers)
    answers.pop("torch sqrt")
    with pytest.raises(UserError, match="others of torch sqrt with torch .*, numpy .* and glibc"):
        recorded.compare(answers)
