//! Throwaway nodes on this computer.
