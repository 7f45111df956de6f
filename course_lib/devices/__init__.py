"""Where a training computes: the device of a process, and several processes that share it."""
