"""From photographs to label maps, for painters that listen to maps."""
