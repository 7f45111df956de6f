"""DCGAN (Radford, Metz, Chintala, 2016): the painter that listens to nothing."""
