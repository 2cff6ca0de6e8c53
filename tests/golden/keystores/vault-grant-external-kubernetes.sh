# Run this where the vault command is logged in and may write policies. With OpenBao, the command is bao.
# "path is already in use" is no error: what is there stays.
vault secrets enable -namespace=team -path=kv -version=2 kv
vault secrets enable -namespace=team -path=keys/transit transit
vault write -namespace=team -f keys/transit/keys/kes
vault policy write kes-kv-demo - <<'EOF'
# What KES needs for its keys, and no more. Renewing its token is allowed by Vault's own policy `default`.
path "team/kv/data/demo/*" {
  capabilities = ["create", "read"]
}
path "team/kv/metadata/demo/*" {
  capabilities = ["list", "delete"]
}
# No "create" here: with it, a wrong name would make a new key. "read" lets kesdeploy see that the key was rotated.
path "team/keys/transit/encrypt/kes" {
  capabilities = ["update"]
}
path "team/keys/transit/decrypt/kes" {
  capabilities = ["update"]
}
path "team/keys/transit/keys/kes" {
  capabilities = ["read"]
}
EOF
vault auth enable -path=k8s kubernetes
# Your own words for those in capitals.
vault write auth/k8s/config kubernetes_host=https://KUBERNETES:6443 kubernetes_ca_cert=@KUBERNETES-CA.crt
vault write auth/k8s/role/kes-role bound_service_account_names=SERVICE-ACCOUNT bound_service_account_namespaces=NAMESPACE token_policies=kes-kv-demo token_period=5m
(umask 077
kubectl create token SERVICE-ACCOUNT -n NAMESPACE --duration=8760h > kes-jwt)
# Then: --set "keystore.vault.kubernetes.jwt=@$PWD/kes-jwt"
