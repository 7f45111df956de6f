"""DAMSM: which words go with which regions of a picture; it is learnt before OP-GAN is."""
