"""What calls the lanes."""
