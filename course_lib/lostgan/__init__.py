"""LostGAN (Sun and Wu, 2019, 2021): the painter that listens to a layout and to styles."""
