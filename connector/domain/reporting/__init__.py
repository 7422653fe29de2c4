"""What was reached, in figures: counted, said with how sure it is, and never about a group so small it is somebody."""
