"""What a gateway that drains refuses: new work. What is open ends, and what is kept can be read."""

# Who posts here wants something computed. To cancel, or to count tokens, is no work.
WORK_PATHS = frozenset(
    {
        "/v1/responses",
        "/v1/responses/compact",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/messages",
    }
)


def is_work(method: str, path: str) -> bool:
    """Whether a request has something computed by a model."""
    return method == "POST" and path in WORK_PATHS
