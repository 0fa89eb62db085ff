"""The Atmosphere Data Store: access, one job a day, and what its answers mean."""
