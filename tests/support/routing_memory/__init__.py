"""The routing ports in memory: the smallest store that keeps their contract, for tests of what stands on it."""
