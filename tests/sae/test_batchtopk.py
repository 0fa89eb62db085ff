import pytest
import torch
from aurorascope.sae import batchtopk
from hypothesis import given
from hypothesis import strategies as st

from tests.sae.losses import forward, objective, random_parameters, random_rows

BOTH = pytest.mark.parametrize("kind", ["batchtopk", "matryoshka"])


def computed(made, x):
    with torch.inference_mode():
        return made.compute(x)


def made_for(kind, d, h, k, rows=64, seed=0, bias=0.0, dtype=torch.float32):
    parameters = random_parameters(kind, d, h, seed, dtype)
    parameters["b_enc"] += bias
    return objective(kind, parameters, rows=rows, target_l0=k)


@BOTH
@given(seed=st.integers(0, 500), n=st.integers(1, 150), k=st.integers(1, 6), rows=st.integers(1, 200))
def test_exactly_k_a_token_are_kept(kind, seed, n, k, rows):
    """All of a small batch counts: k n latents are on, whatever the micro-batch; a bias of 3 makes enough positive."""
    made = made_for(kind, 4, 12, k, rows, seed, bias=3.0)
    computed(made, random_rows(n, 4, seed, torch.float32))
    assert int(made.on_h.sum()) == k * n


@pytest.mark.parametrize("k", [2.5, 0.001])
def test_k_need_not_be_whole(k):
    """The batch's share is rounded, and never none."""
    made = made_for("batchtopk", 4, 12, k)
    computed(made, random_rows(41, 4, dtype=torch.float32))
    assert int(made.on_h.sum()) == max(1, round(k * 41))


@BOTH
@pytest.mark.parametrize(("bias", "k"), [(-1e3, 3), (-1.5, 6), (0.0, 12), (3.0, 12), (3.0, 40)])
def test_fewer_positive_than_asked_for(kind, bias, k):
    """Where fewer are positive all of those stay and nothing else; none, and k of all latents or more, are no errors."""
    made = made_for(kind, 4, 12, k, bias=bias, dtype=torch.float64)
    x = random_rows(50, 4)
    p = made.parameters
    positive = int((((x - p["b_dec"]) @ p["W_enc"] + p["b_enc"]) > 0).sum())
    assert positive < k * 50
    terms = computed(made, x)
    f_nh, _ = forward(made, x)
    assert int(made.on_h.sum()) == positive == int((f_nh > 0).sum()) and bool((f_nh >= 0).all())
    assert float(terms.l0) == positive / 50
    assert all(bool(gradient.isfinite().all()) for gradient in made.grads.values())


@BOTH
@pytest.mark.parametrize("k", [12, 40])
def test_all_of_all_positive(kind, k):
    """Where every pre-activation is positive and k is all of the latents, or more, every one stays."""
    made = made_for(kind, 4, 12, k, bias=100.0)
    assert float(computed(made, random_rows(50, 4, dtype=torch.float32)).l0) == 12


@BOTH
def test_a_large_batch_is_sampled_all_over(kind):
    """L0 of more tokens than are sampled is near k, also where the batch's two ends differ by a factor of ten."""
    made = made_for(kind, 4, 16, 3)
    x = random_rows(3 * batchtopk.SAMPLE, 4, dtype=torch.float32)
    assert float(computed(made, x).l0) == pytest.approx(3, rel=0.03)
    x[len(x) // 2 :] *= 10
    assert float(computed(made, x).l0) == pytest.approx(3, rel=0.03)


def test_tokens_share_the_batch():
    """k is an average: tokens of a strong half have more latents on than those of a weak one."""
    made = made_for("batchtopk", 4, 16, 3)
    x = random_rows(200, 4, dtype=torch.float32)
    x[100:] *= 10
    f_nh, _ = forward(made, x)
    on_n = (f_nh > 0).sum(1)
    assert int(on_n.sum()) == 600 and on_n[100:].sum() > 2 * on_n[:100].sum()


@BOTH
@pytest.mark.parametrize("n", [100, 700])
def test_threshold_does_not_depend_on_the_micro_batch(kind, n, monkeypatch):
    """In float32 too, and for batches that are sampled."""
    monkeypatch.setattr(batchtopk, "SAMPLE", 300)
    x, states = random_rows(n, 8, dtype=torch.float32), []
    for rows in (n, 1, 17, 256):
        made = made_for(kind, 8, 32, 3, rows)
        computed(made, x)
        states.append((made.state, made.on_h))
    for state in states[1:]:
        torch.testing.assert_close(state[0], states[0][0], rtol=1e-6, atol=0)
        assert torch.equal(state[1], states[0][1])


def test_threshold_lies_between_kept_and_left():
    """Half-way, so that neither training nor a release depends on the last bit of either."""
    made = made_for("batchtopk", 4, 12, 3, dtype=torch.float64)
    x = random_rows(50, 4)
    computed(made, x)
    p = made.parameters
    z = torch.relu((x - p["b_dec"]) @ p["W_enc"] + p["b_enc"]).flatten().sort(descending=True).values
    assert float(made.state["threshold"]) == pytest.approx(float(z[149] + z[150]) / 2, rel=1e-12)


def test_threshold_is_a_running_mean():
    """The plain mean of the first hundred batches' thresholds; from then on each new one counts for a hundredth."""
    single, made = [], made_for("batchtopk", 2, 4, 1, dtype=torch.float64)
    for seed in range(103):
        x = random_rows(8, 2, seed)
        alone = made_for("batchtopk", 2, 4, 1, dtype=torch.float64)
        computed(alone, x)
        computed(made, x)
        single.append(float(alone.state["threshold"]))
        if seed < 100:
            expected = sum(single) / len(single)
        else:
            expected += (single[-1] - expected) / 100
        assert float(made.state["threshold"]) == pytest.approx(expected, rel=1e-9)
    assert int(made.state["n_seen"]) == 103 and made.state["threshold"].dtype == torch.float64


@BOTH
def test_state_carries_the_threshold(kind):
    """Copied into a new objective, the state gives the same release and goes on as if nothing had happened."""
    made = made_for(kind, 4, 12, 3)
    for seed in range(3):
        computed(made, random_rows(30, 4, seed, torch.float32))
    again = made_for(kind, 4, 12, 3)
    for name, value in made.state.items():
        again.state[name].copy_(value)
    assert torch.equal(again.release()["threshold"], made.release()["threshold"])
    for one in (made, again):
        computed(one, random_rows(30, 4, 9, torch.float32))
    assert again.state == made.state and float(made.state["threshold"]) > 0


def test_bfloat16_keeps_about_k():
    """Equal values are many in bfloat16: all of the least kept stay, and no value below it does."""
    parameters = random_parameters("batchtopk", 8, 64, dtype=torch.float32)
    made = objective("batchtopk", parameters, rows=64, target_l0=4, precision="bfloat16")
    x = random_rows(500, 8, dtype=torch.float32)
    assert 4 <= float(computed(made, x).l0) < 4.1
    f_nh, _ = forward(made, x)
    threshold = float(made.state["threshold"])
    assert float(f_nh[f_nh > 0].min()) > threshold > 0.98 * float(f_nh[f_nh > 0].min())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("seed", range(5))
def test_border(seed, dtype):
    """The k-th largest and the largest below it, by sorting; half of the values are equal, at zero."""
    values = torch.relu(random_rows(1, 300, seed, dtype)[0])
    for k in (1, 7, 100, 290, 300):
        least, below = batchtopk._border(values.clone(), k)
        expected = values.sort(descending=True).values[k - 1]
        lower = values[values < expected]
        assert float(least) == float(expected) and float(below) == (float(lower.max()) if len(lower) else 0)


@pytest.mark.parametrize("guess", [0.0, 0.5, 1e3, None])
@pytest.mark.parametrize("spread", [1.0, 20.0])
def test_the_border_is_no_matter_of_the_guess(guess, spread, monkeypatch):
    """Of several matrices, whose last may be larger by far: as all in one, whatever was guessed first."""
    parts = [random_rows(30, 40, seed) * (spread if seed == 3 else 1) for seed in range(4)]
    parts[1][:5] = 0.75
    if guess is not None:
        monkeypatch.setattr(batchtopk, "_guess", lambda z_nh, share: guess)
    for k in (1, 7, 300, 2200, 2500, 4800):
        least, below = batchtopk._border_of_large(lambda: (part.clone() for part in parts), k, 4800)
        expected = batchtopk._border(torch.cat([part.relu().flatten() for part in parts]), k)
        assert (float(least), float(below)) == tuple(map(float, expected))


def test_a_guess_is_rarely_too_high(monkeypatch):
    """It leaves few elements to look at, and mostly enough: one pass does."""
    passes, parts = [], [random_rows(500, 256, seed) for seed in range(4)]

    def encoded():
        passes.append(1)
        yield from parts

    for k in (2000, 8000, 32000):
        batchtopk._border_of_large(encoded, k, 512_000)
    assert len(passes) == 3
