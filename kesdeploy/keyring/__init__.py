"""The commands on single keys: each asks KES as the deployment's own identity, and says what KES leaves out."""
