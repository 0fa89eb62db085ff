"""Whether SAEs of other seeds find the same features."""
