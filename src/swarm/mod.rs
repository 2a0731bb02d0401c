//! Membership and quorum arithmetic; pure.
