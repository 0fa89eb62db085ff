"""The autoencoders themselves: one file an architecture, and the stand-alone module that a release ships."""
