"""Token ids in, token ids out: the only place that knows torch."""
