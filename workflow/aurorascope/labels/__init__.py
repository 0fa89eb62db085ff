"""What the weather is, where: labels by formula from the states alone, and labels that users bring."""
