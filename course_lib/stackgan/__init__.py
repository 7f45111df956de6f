"""StackGAN (Zhang et al., 2017): the painter that listens to a caption, in two stages."""
