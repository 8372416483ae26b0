"""Delivery of calls' messages to the enterprises' own HTTP endpoints, by the Standard Webhooks specification."""
