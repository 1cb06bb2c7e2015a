"""The audit trail: hash-chained, sealed, verifiable on any machine."""
