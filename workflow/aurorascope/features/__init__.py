"""The features of one SAE on one date, labelled with time, latent level, latitude and longitude."""
