"""A small Aurora that does something, and a batch for it."""

TIMES = ("2022-06-01T00:00:00Z", "2022-06-01T12:00:00Z")


def small_model():
    """A 16-wide AuroraAirPollution whose 48 blocks are not the identity: parameters that start at zero get weight."""
    import torch
    from aurorascope.backbone.model import build_model, head_arguments

    torch.manual_seed(0)
    model = build_model(head_arguments(16))
    for parameter in model.parameters():
        if parameter.abs().max() == 0:
            torch.nn.init.normal_(parameter, std=0.05)
    return model.eval().requires_grad_(False)


def small_states():
    """Two demo states 12 hours apart on a 19 x 36 grid, and the statics."""
    from aurorascope.cams.demo import demo_state, demo_static
    from aurorascope.cams.grid import regular_grid
    from aurorascope.cams.variables import LEVELS
    from aurorascope.config.calendar import parse

    lat, lon = regular_grid(19, 36)
    return [demo_state(parse(time), lat, lon, LEVELS) for time in TIMES], demo_static(lat, lon)


def small_batch(states):
    """Aurora's batch of those states."""
    from aurorascope.backbone.batch import make_batch

    (previous, current), static = states
    return make_batch(previous, current, time=TIMES[1], static=static)
