"""The `axbridge` command: starts the services, manages tenants and bindings, shows calls, plays the platform."""
