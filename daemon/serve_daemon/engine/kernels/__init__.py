"""Operators in C++ for a CPU, each with its definition in torch."""
