"""Train a published SAE again, aside, and say whether it came out the same."""
