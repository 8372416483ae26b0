"""Protobuf to domain and back. Protobuf is known here and in the servicers only."""
