//! Desire: what the user wants, from one YAML file.

pub mod model;
mod secret { #[derive(Debug, Clone)] pub struct SecretSource; }
