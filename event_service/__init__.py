"""The durable log of call events, and the call records (CDRs) that follow from it."""
