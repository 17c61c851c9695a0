//! The head as a whole, by section of the RFCs, and what attackers send.
