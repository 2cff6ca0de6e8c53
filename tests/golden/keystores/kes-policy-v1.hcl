# What KES needs for its keys, and no more. Renewing its token is allowed by Vault's own policy `default`.
path "kv/demo/*" {
  capabilities = ["create", "read", "delete", "list"]
}
