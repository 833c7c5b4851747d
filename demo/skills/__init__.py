"""What the demo can do: each skill writes one turn of a scene."""
