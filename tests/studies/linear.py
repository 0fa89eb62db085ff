"""The linear stand-in with a decoder, so that it gives forecasts: a variable's cells are the channels of the tokens over them."""

import dataclasses

import torch

from tests.interventions import linear

BLOCK = linear.LAST


class Forecasting(linear.Linear):
    """Forecast of variable v at each cell: 0.1 + sum over levels of channel v of the token there, last block's output.

    Blocks have no mixing of tokens after the last one, so that a change of a token changes its nine cells.
    """

    variables = ("2t", "msl", "10u", "10v")
    # What a rollout asks of a model.
    patch_size, variable_lead_time = 3, False

    def __init__(self):
        super().__init__()
        self.backbone.decoder_layers = torch.nn.ModuleList()

    def batch_transform_hook(self, batch):
        return batch

    def apply_rollout_input_clipping(self, forecast):
        return forecast

    def set_noise_accumulation(self, n):
        """Nothing here is random."""

    def forward(self, batch, lead_times=None):
        return self.decode(super().forward(batch), batch)

    def decode(self, x_bnd, batch):
        levels_bldyx = x_bnd.reshape(len(x_bnd), 4, 6, 12, x_bnd.shape[-1])
        plane_byxd = levels_bldyx.sum(dim=1)
        cells = plane_byxd.repeat_interleave(3, 1).repeat_interleave(3, 2)
        fields = {name: 0.1 + cells[..., at][:, None] for at, name in enumerate(self.variables)}
        ahead = dataclasses.replace(batch.metadata, rollout_step=batch.metadata.rollout_step + 1)
        return dataclasses.replace(batch, surf_vars=fields, metadata=ahead)


def batch_of(value=1.0, day=1, month=6):
    """All variables' state is the value of one day."""
    batch = linear.batch_of(value, day)
    time = (batch.metadata.time[0].replace(month=month),)
    fields = dict.fromkeys(Forecasting.variables, batch.surf_vars["2t"])
    return dataclasses.replace(batch, surf_vars=fields, metadata=dataclasses.replace(batch.metadata, time=time))
