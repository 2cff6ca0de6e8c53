# What KES needs for its keys, and no more. Renewing its token is allowed by Vault's own policy `default`.
path "kv/data/demo/*" {
  capabilities = ["create", "read"]
}
path "kv/metadata/demo/*" {
  capabilities = ["list", "delete"]
}
