"""What is declared of each architecture: that it is whole and that the class and the schemas agree."""

import dataclasses
import importlib.util
import json
import re
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import torch
from aurorascope.config.recipes import RECIPES
from aurorascope.config.resolve import resolve
from aurorascope.errors import UserError
from aurorascope.release.schema import index_schema
from aurorascope.sae import architectures
from aurorascope.sae.architectures import ARCHITECTURES, RELEASED, Architecture, ReleasedForm, by_name
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.initial import initial_weights
from aurorascope.sae.objective import Objective, Settings
from aurorascope.sae.saelens import saelens_files
from safetensors.torch import load, save
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.architectures import of
from tests.sae.losses import K, objective, random_parameters, random_rows

D, H, N = 8, 32, 60
EACH = pytest.mark.parametrize("kind", ARCHITECTURES)


def one(**changes):
    """A sound declaration with these changes."""
    return dataclasses.replace(ARCHITECTURES["relu"], **changes)


# The declaration.


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Architecture)])
def test_a_half_declared_architecture_fails_at_import(tmp_path, field):
    """With one field of a declaration taken out, importing the module names it."""
    source = tmp_path / "half.py"
    whole = Path(architectures.__file__).read_text()
    start = whole.index("    Architecture(\n")
    source.write_text(whole[:start] + re.sub(rf'\b{field}=("[^"]*"|[^,]*),', "", whole[start:], count=1))
    spec = importlib.util.spec_from_file_location("aurorascope.sae.half", source)
    with pytest.raises(TypeError, match=rf"missing 1 required .*'{field}'"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(ReleasedForm)])
def test_a_half_declared_form_names_the_field(field):
    given = {key: value for key, value in vars(RELEASED["relu"]).items() if key != field}
    with pytest.raises(TypeError, match=rf"'{field}'"):
        ReleasedForm(**given)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", None), ("loss", ""), ("loss", None), ("is_l1", None), ("keeps_k", "yes"), ("needs_units", False),
        ("latent_arrays", None), ("latent_arrays", 1), ("defaults", None), ("released_as", "gated"), ("released_as", ""),
        ("objective", "aurorascope.sae.absent:Absent"), ("objective", "aurorascope.sae.relu:Rely"), ("objective", "relu"),
        ("objective", "aurorascope.sae.relu:"), ("objective", ""),
    ],
)
def test_what_makes_no_sense_is_refused(field, value):
    """Empty, of another type, or a form or a class that is not there: the field is named."""
    with pytest.raises(UserError, match=rf"^{field} of the architecture .* in sae/architectures\.py: expected .*found {value!r}"):
        one(**{field: value})


@pytest.mark.parametrize("field", ["keeps_k", "weighs_target"])
def test_fields_go_together(field):
    """What keeps or weighs a target needs one."""
    with pytest.raises(UserError, match="^needs_target of the architecture"):
        one(**{field: True})
    assert one(**{field: True, "needs_target": True})


def test_no_two_of_one_name_or_class():
    """A copied declaration that still names the other's class is found, and so is a name used twice."""
    relu = ARCHITECTURES["relu"]
    with pytest.raises(UserError, match=r"another objective for each.*aurorascope\.sae\.relu:Relu twice"):
        by_name(relu, one(name="toy"))
    with pytest.raises(UserError, match="another name for each.*relu twice"):
        by_name(relu, one(objective="aurorascope.sae.topk:TopK"))
    assert list(by_name(*ARCHITECTURES.values())) == list(ARCHITECTURES)


def test_nothing_heavy_is_imported(root):
    """Declarations and recipes are read where neither torch nor numpy can be imported."""
    code = (
        "import sys; sys.modules.update(torch=None, numpy=None)\n"
        "from aurorascope.sae.architectures import ARCHITECTURES; import aurorascope.config.recipes\n"
        "print(*ARCHITECTURES)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=root / "workflow", capture_output=True, text=True)
    assert run.stdout.split() == [*ARCHITECTURES], run.stderr


# Schemas and configuration.


def test_the_index_schema_names_what_is_declared():
    """All names, all forms, and those that keep k, for which it asks a number."""
    node = index_schema()["$defs"]["sae"]["properties"]["architecture"]
    assert set(node["properties"]["activation"]["enum"]) == set(ARCHITECTURES)
    assert set(node["properties"]["released_as"]["enum"]) == set(RELEASED)
    (rule,) = node["allOf"]
    assert set(rule["if"]["properties"]["activation"]["enum"]) == {
        name for name, architecture in ARCHITECTURES.items() if architecture.keeps_k
    }


@EACH
@pytest.mark.parametrize("recipe", RECIPES)
def test_configurations_take_each(demo_raw, kind, recipe):
    """Every name is a valid choice, its defaults beat the recipe's, the user's values beat both; a target where needed."""
    architecture = ARCHITECTURES[kind]
    assert architecture.defaults.keys() <= RECIPES[recipe].keys() - {"architecture"}
    given = {"recipe": recipe, "architecture": kind, "target_l0": 5.0}
    found = resolve({**demo_raw, "sae": given})[0]["sae"]
    expected = {**RECIPES[recipe], **architecture.defaults, **given}
    assert {key: found[key] for key in expected} == expected
    assert resolve({**demo_raw, "sae": {**given, "lr": 0.25}})[0]["sae"]["lr"] == 0.25
    # The tuned recipe has a target, the card's has none.
    if recipe == "card" and architecture.needs_target:
        with pytest.raises(UserError, match=f"target_l0: expected a number, since sae.architecture is {kind}"):
            resolve({**demo_raw, "sae": {**given, "target_l0": None}})
    for key, value, is_refused in (
        ("target_l0", 5.5, architecture.keeps_k),
        ("p_end", 0.5, not architecture.anneals_p),
        ("normalise", False, architecture.needs_units is not None),
    ):
        if is_refused:
            with pytest.raises(UserError, match=rf"config key sae\.{key}: expected"):
                resolve({**demo_raw, "sae": {**given, key: value}})
        else:
            assert resolve({**demo_raw, "sae": {**given, key: value}})[0]["sae"][key] == value


# The class.


def gradients(kind, progress=0.0, **settings):
    made = objective(kind, random_parameters(kind, D, H), rows=16, **settings)
    made.progress = progress
    with torch.inference_mode():
        terms = made.compute(random_rows(N, D))
    return made, terms


def differ(one, other):
    return any(not torch.equal(gradient, other.grads[name]) for name, gradient in one.grads.items())


@EACH
def test_the_class_does_what_is_declared(kind):
    """Which settings move the gradient, whether the weight is followed, and how many latents stay."""
    architecture = ARCHITECTURES[kind]
    assert issubclass(architecture.objective_class(), Objective)
    made, terms = gradients(kind, sparsity=0.3)
    assert differ(made, gradients(kind, sparsity=0.6)[0]) == ("l1_coeff" in architecture.loss)
    assert not architecture.is_l1 or "l1_coeff * L1" in architecture.loss
    annealed = gradients(kind, progress=1.0, sparsity=0.3, p_end=0.5)[0]
    assert differ(made, annealed) == architecture.anneals_p
    assert ("sparsity" in made.state) == ("l1_coeff" in architecture.loss and not architecture.weighs_target)
    if architecture.keeps_k:
        # A pursuit may take a latent twice.
        assert K - 0.1 < float(terms.l0) <= K if kind == "matching_pursuit" else float(terms.l0) == pytest.approx(K, abs=1e-12)
    if architecture.needs_target:
        with pytest.raises(TypeError):
            gradients(kind, target_l0=None)
    else:
        gradients(kind, target_l0=None)


@EACH
def test_the_form_of_its_release_is_the_declared_one(kind):
    """It opens as the declared form, whose features are negative exactly where it is declared signed."""
    made = objective(kind, random_parameters(kind, D, H, dtype=torch.float32), rows=64)
    with torch.inference_mode():
        made.compute(random_rows(N, D, dtype=torch.float32))
        sae = AuroraSAE.from_tensors(made.release())
        features = sae.encode(random_rows(N, D, dtype=torch.float32))
    assert sae.architecture == ARCHITECTURES[kind].released_as
    assert bool((features < 0).any()) == ARCHITECTURES[kind].signed == RELEASED[sae.architecture].signed


def by_saelens(cfg, w, x):
    """Features as SAELens defines its architectures."""
    if cfg["architecture"] == "matching_pursuit":
        assert cfg["residual_threshold"] == 0 and not cfg["stop_on_duplicate_support"]
        left, found = x - w["b_dec"], torch.zeros(len(x), len(w["W_dec"]))
        for _ in range(cfg["max_iterations"]):
            latents = (left @ w["W_dec"].T).relu().max(dim=1).indices
            values = (left * w["W_dec"][latents]).sum(1, keepdim=True).relu()
            found.scatter_add_(1, latents[:, None], values)
            left = left - values * w["W_dec"][latents]
        return found
    z = (x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]
    if cfg["architecture"] == "jumprelu":
        return torch.relu(z) * (z > w["threshold"])
    if cfg["architecture"] == "standard":
        return torch.relu(z)
    size = z.abs() if cfg["architecture"] == "abstopk" else torch.relu(z)
    return torch.zeros_like(z).scatter(-1, size.topk(cfg["k"]).indices, 1) * (z if cfg["architecture"] == "abstopk" else size)


@EACH
def test_its_saelens_folder_computes_the_same(kind):
    """Through both files' bytes, by SAELens' own definitions."""
    made, x = objective(kind, random_parameters(kind, D, H, dtype=torch.float32), rows=64), random_rows(N, D, dtype=torch.float32)
    with torch.inference_mode():
        made.compute(x)
        tensors = made.release()
        cfg, weights = saelens_files(tensors, {"training_architecture": kind})
        expected = AuroraSAE.from_tensors(tensors).encode(x)
        found = by_saelens(json.loads(json.dumps(cfg)), load(save(weights)), x)
    assert cfg["architecture"] == RELEASED[ARCHITECTURES[kind].released_as].saelens
    assert expected.any()
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("form", RELEASED)
def test_released_forms_are_those_of_the_published_module(form):
    """Each form is told from its tensors, and has signs exactly where it is declared."""
    sae = AuroraSAE.from_tensors(of(form))
    assert sae.architecture == form
    assert bool((sae.encode(random_rows(N, 6, dtype=torch.float32)) < 0).any()) == RELEASED[form].signed


class Memory(TorchDispatchMode):
    """The most bytes that tensors made within it held at one time."""

    def __init__(self):
        super().__init__()
        self.live, self.peak = {}, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and (storage := tensor.untyped_storage())._cdata not in self.live:
                self.live[storage._cdata] = storage.nbytes()
                weakref.finalize(storage, self.live.pop, storage._cdata)
        self.peak = max(self.peak, sum(self.live.values()))
        return out


@EACH
def test_a_step_holds_no_more_arrays_than_declared(kind):
    """Counted in units of one (rows, h) array, where arrays of other shapes are small."""
    rows, d, h, cls = 2048, 4, 256, ARCHITECTURES[kind].objective_class()
    parameters = {**initial_weights(d, h, 0, 0), **cls.extra_parameters(d, h)}
    with torch.no_grad(), Memory() as memory:
        made = cls(parameters, Settings(3e-4, 4.0, rows=rows))
        made.compute(random_rows(2 * rows, d, dtype=torch.float32))
    assert 2 <= memory.peak / (4 * rows * h) < ARCHITECTURES[kind].latent_arrays + 0.5
