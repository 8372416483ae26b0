"""How much a tenant may ask for: rates by token bucket, in one process or shared through Redis, and open streams."""
