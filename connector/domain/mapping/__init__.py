"""Survey records to responses, decided values to vendor fields."""
