"""Where scenes come from: a module per source."""
