"""What the SAEs are worth on snapshots that they have not seen."""
