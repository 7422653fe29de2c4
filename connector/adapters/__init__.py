"""One vendor, one file or folder; its name is the kind in the YAML."""
