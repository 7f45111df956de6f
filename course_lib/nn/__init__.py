"""Networks and blocks that two painters or more share."""
