"""Durable subscriptions: readers of the log that keep their place, and the streams that deliver to them."""
