"""Plays the call platform: dials, reports every step of a call, and checks each answer against the protocol.

Nothing here comes from the gateway's code: what writes the requests and what judges the answers was written from the
protocol alone, so that a misreading on one side shows on the other.
"""
