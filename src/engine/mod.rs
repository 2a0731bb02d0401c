//! The only room that names bollard.
