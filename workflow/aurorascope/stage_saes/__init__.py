"""One sparse autoencoder for all blocks of a stage: a dictionary that they share, and for each block biases of its own."""
