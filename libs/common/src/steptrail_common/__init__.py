"""What every Steptrail service shares: contracts, bus, outbox and inbox, service runner."""
