"""`python -m federation.cli`, as `c360`."""

from federation.cli import main

main()
