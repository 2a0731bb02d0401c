//! The only room that names russh.
