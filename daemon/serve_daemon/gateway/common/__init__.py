"""What every part of the gateway needs: errors, who asks, the pieces of an answer."""
