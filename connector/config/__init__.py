"""The YAML file as checked models."""
