"""The integration files (one YAML a site) and the model that validates them."""
