"""Every name under which a service tells of itself, one comment each: spans and their attributes."""
