"""The program that does not die: owns every state, socket and process."""
