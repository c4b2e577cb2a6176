"""What one caller alone can see broken."""
