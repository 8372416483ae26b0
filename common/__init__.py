"""What the three services share, and no more."""
