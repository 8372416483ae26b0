"""What is done for those whose numbers are kept: who saw them is written down."""
