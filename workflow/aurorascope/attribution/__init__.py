"""Attribution: how much each feature of each block carries of an outcome of a forecast, with exact ablations beside it."""
