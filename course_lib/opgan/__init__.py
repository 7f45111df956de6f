"""OP-GAN (Hinz et al., 2020): the painter that listens to a caption and to a layout."""
