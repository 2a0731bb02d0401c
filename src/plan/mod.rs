//! Facts and desire to phases of steps; pure.
