"""Numbers at rest: sealed values under data keys of each tenant, which are wrapped by a master key; keyed hashes to
look numbers up by. Without a master key everything is kept as it is."""
