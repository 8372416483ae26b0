"""What is done for those whose numbers are kept: who saw them, and who changed what, is written down."""
