"""Who may do what over gRPC: callers, what they are granted, what each RPC asks for, and the one place that decides."""
