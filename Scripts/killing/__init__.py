"""What Scripts/kills and Scripts/long-run are made of."""
