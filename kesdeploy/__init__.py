"""kesdeploy: a working, proven MinIO with server-side encryption, in one command."""

__version__ = "0.1.0"
