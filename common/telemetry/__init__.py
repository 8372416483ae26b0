"""What a service tells of itself while it runs: traces and metrics. Nothing happens at import time."""
