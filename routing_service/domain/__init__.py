"""Pure values and rules of number relationships: no I/O, no protobuf."""
