"""LR-GAN (Yang, Kannan, Batra, Parikh, 2017): the painter that discovers layers."""
