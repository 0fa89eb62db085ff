"""A second SAE of what a block's first one leaves out, whose reconstruction is added."""
