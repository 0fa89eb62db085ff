"""What is uploaded: the index, the model card, the stand-alone module, the digests."""
