"""OpenBao or HashiCorp Vault: run by us, or somebody else's."""
