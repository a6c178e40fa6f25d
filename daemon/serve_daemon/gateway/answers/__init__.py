"""A request being answered, alike for all endpoints: its prompt, its answer, its end."""
