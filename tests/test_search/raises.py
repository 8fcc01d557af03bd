"""A module of a user that raises when it is imported."""

raise RuntimeError('no device')
