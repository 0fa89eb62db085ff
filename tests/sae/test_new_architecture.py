"""How an architecture is added: a toy, in a copy of the project, through the files that the documentation names."""

import os
import re
import shutil
import subprocess
import sys

import pytest

_TOY = '''"""Toy: features above one half, and a penalty on their squares."""

import torch

from aurorascope.sae.objective import Parameters
from aurorascope.sae.penalised import Penalised

LEAST = 0.5


class Toy(Penalised):
    """f = z 1[z > 1/2]; loss = MSE + weight * (mean over tokens of the sum over latents of f^2)."""

    def _activate(self, z_nh: torch.Tensor) -> torch.Tensor:
        return z_nh.mul_(z_nh > LEAST)

    def _to_latents(
        self, r_nd: torch.Tensor, f_nh: torch.Tensor, weight_n: torch.Tensor | None, n: int
    ) -> torch.Tensor:
        self._penalty.add_(self._total(f_nh.square(), weight_n))
        slope_nh = f_nh * (2 * self.state["sparsity"] / n)
        if weight_n is not None:
            slope_nh.mul_(weight_n[:, None])
        return self._through_decoder(r_nd, n).add_(slope_nh).mul_(f_nh > 0)

    def release(self) -> Parameters:
        """The four tensors and the threshold."""
        return {**super().release(), "threshold": torch.full((self.h,), LEAST)}
'''
_DECLARED = '''    Architecture(
        name="toy", objective="aurorascope.sae.toy:Toy", released_as="jumprelu",
        loss="MSE + l1_coeff * sum of squares", is_l1=False, weighs_target=False,
        keeps_k=False, many_k=False, anchored=False, needs_target=False, anneals_p=False, densest=0.0, latent_arrays=4,
        needs_units=None, defaults={"init": "tied"},
    ),
)
'''
# The files that docs/architecture.md names for a new architecture, and how the toy changes each.
_TOUCHED = {
    "workflow/aurorascope/sae/toy.py": lambda _: _TOY,
    "workflow/aurorascope/sae/architectures.py": lambda text: text.replace("    ),\n)\n", "    ),\n" + _DECLARED, 1),
    "workflow/aurorascope/schemas/sae_index.schema.json": lambda text: re.sub(
        r'("activation": \{\s*"enum": \[)', r'\1"toy", ', text, count=1
    ),
    "tests/sae/losses.py": lambda text: text.replace("SETTINGS = {", 'SETTINGS = {\n    "toy": {"sparsity": 0.3},')
    .replace("FEATURES = {", 'FEATURES = {\n    "toy": lambda z, w, p, k: z * (z > 0.5),')
    .replace("SPARSITY = {", 'SPARSITY = {"toy": lambda f, z, p, over_rows, told: over_rows((f**2).sum(1)), '),
}
_GENERIC = {
    "tests/sae/test_gradients.py": ["test_gradient_is_that_of_the_documented_loss", "test_any_batch_in_any_parts"],
    "tests/sae/test_released.py": ["test_release_computes_what_training_did", "test_form_of_a_release"],
    "tests/sae/test_architectures.py": [
        "test_configurations_take_each", "test_the_class_does_what_is_declared", "test_its_saelens_folder_computes_the_same",
        "test_a_step_holds_no_more_arrays_than_declared",
    ],
    "tests/release/test_entry.py": ["test_record_and_entry_are_those_declared"],
}


@pytest.mark.slow
def test_adding_one_touches_four_files(root, tmp_path):
    """In a copy of the project, four files make a new architecture that passes what every architecture passes."""
    for name in ("workflow", "tests"):
        shutil.copytree(root / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("config.yaml", "pyproject.toml", "requirements.lock"):
        shutil.copy(root / name, tmp_path)
    page = (root / "docs" / "architecture.md").read_text()
    for name, change in _TOUCHED.items():
        assert f"`{name.replace('toy', 'NAME')}`" in page, name
        path = tmp_path / name
        before = path.read_text() if path.exists() else ""
        path.write_text(change(before))
        assert path.read_text() != before
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-k", "toy or index_schema", *_GENERIC]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "PYTHONPATH"))}
    # Threads of a busy machine wait for one another.
    environment["OMP_NUM_THREADS"] = "1"
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-4000:]
    passed = set(re.findall(r"^PASSED (\S+)::(\w+)\[.*\btoy\b", run.stdout, re.MULTILINE))
    assert passed >= {(file, test) for file, tests in _GENERIC.items() for test in tests}
