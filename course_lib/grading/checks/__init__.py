"""What instant checks look at: a module per assignment."""
