"""The learning rate over a training, in shares of the real number of steps."""


def factor(step: int, n_steps: int, warm_up: float, decay: float) -> float:
    """What multiplies the learning rate at step number `step` (from 1) of `n_steps`.

    It rises linearly over the first `warm_up * n_steps` steps, is 1, and falls linearly over the last `decay * n_steps`.
    Its last value is above 0: no step is wasted.
    """
    up = step / (warm_up * n_steps) if warm_up else 1.0
    down = (n_steps - step + 1) / (decay * n_steps + 1) if decay else 1.0
    return min(1.0, up, down)
