"""What people decide and say about records, and what is worth their look."""
