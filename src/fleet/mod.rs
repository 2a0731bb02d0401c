//! Many hosts at once.
