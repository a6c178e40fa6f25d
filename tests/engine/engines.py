"""The engines that every test of correctness runs with, as a file's `engine` names them."""

ENGINES = ("continuous", "compiled")
