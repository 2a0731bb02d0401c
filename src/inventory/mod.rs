//! Desire: what the user wants, from one YAML file.
