"""The use cases: queries, bindings, tenants. No gRPC and no SQL in here."""
