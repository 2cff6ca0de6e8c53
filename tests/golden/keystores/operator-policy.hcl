# kesdeploy's own, once the root token is gone: it keeps KES's mount, policy, role and secret ids in order, and renews
# its own secret id. By itself it reads no key; whoever has it could still let KES's role do more.
path "sys/mounts/kv" {
  capabilities = ["create", "read", "update"]
}
path "sys/mounts" {
  capabilities = ["read"]
}
path "sys/auth" {
  capabilities = ["read"]
}
path "sys/policy/kes" {
  capabilities = ["create", "read", "update"]
}
path "auth/approle/role/kes" {
  capabilities = ["create", "read", "update"]
}
path "auth/approle/role/kes/*" {
  capabilities = ["create", "read", "update", "list"]
}
path "auth/approle/role/kesdeploy" {
  capabilities = ["read"]
}
path "auth/approle/role/kesdeploy/secret-id" {
  capabilities = ["create", "update", "list"]
}
path "auth/approle/role/kesdeploy/secret-id-accessor/*" {
  capabilities = ["create", "update"]
}
