"""Training of one SAE on one block's activations."""
