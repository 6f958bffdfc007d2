"""One module per group of commands; each adds its own to the application with ``register``."""
