"""The messages, events and views that services exchange: one file per producing service, all frozen."""
