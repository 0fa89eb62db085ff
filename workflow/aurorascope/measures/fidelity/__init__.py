"""How far Aurora's forecast survives when a block's output is replaced by its SAE's reconstruction."""
