"""The kinds of checks, each a module of its own, and the board that runs them."""
