"""Who lives together: households of the people that a resolve found, with ids of their own."""
