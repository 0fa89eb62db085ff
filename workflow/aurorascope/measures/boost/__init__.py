"""What a second SAE of what the first leaves out is worth, on tokens under its label and on all others."""
