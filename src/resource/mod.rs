//! What a host should have: one file a resource.
