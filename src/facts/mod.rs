//! What a host is: plain data that the agent reads.
