"""One block's atlas as a measure of its SAE: which labels its features follow, made from the files of earlier stages."""
