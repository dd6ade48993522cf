"""What `c360 init` writes: a commented project file, and the rows of its sample sources."""
