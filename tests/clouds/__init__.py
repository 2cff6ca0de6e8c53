"""Stand-ins for the clouds that nobody can run here, under the clouds' own names.

They answer as the API references and error reports show it, and as the client code of KES 2025-03-12 uses it.
"""
