"""What every verb of the command line does, as a function with the same words."""
