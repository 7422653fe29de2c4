"""Tables and SQL: one module per noun."""
