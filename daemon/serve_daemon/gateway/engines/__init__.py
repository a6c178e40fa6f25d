"""From a request in token ids to an engine, its turn before, the next engine after."""
