"""What the SAEs are worth, measured on snapshots that they have not seen."""
