"""Who is who, measured: noisy people of any size with their truth, and c360 beside Splink on them and on public labelled data."""
