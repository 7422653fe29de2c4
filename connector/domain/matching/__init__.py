"""Which person, which contact, and why."""
