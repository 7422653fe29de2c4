"""The words of the connector as frozen values."""
