"""The cache in front of the store, and the promise that it outlives no acknowledged write: see docs/cache.md."""
