"""The RPC methods: protobuf in, a use case, protobuf out."""
