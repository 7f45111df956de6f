"""One Scene, Five Painters: controllable image synthesis with GANs."""
