# Run this where the vault command is logged in and may write policies. With OpenBao, the command is bao.
# "path is already in use" is no error: what is there stays.
vault secrets enable -namespace=team/a -path=secret -version=1 kv
vault policy write kes-secret-minio-demo - <<'EOF'
# What KES needs for its keys, and no more. Renewing its token is allowed by Vault's own policy `default`.
path "team/a/secret/minio/demo/*" {
  capabilities = ["create", "read", "delete", "list"]
}
EOF
vault auth enable -path=login approle
vault write auth/login/role/kes-secret-minio-demo token_policies=kes-secret-minio-demo token_period=5m token_num_uses=0 secret_id_ttl=0 secret_id_num_uses=0
(umask 077
vault read -field=role_id auth/login/role/kes-secret-minio-demo/role-id > kes-role-id
vault write -f -field=secret_id auth/login/role/kes-secret-minio-demo/secret-id > kes-secret-id)
# Then: --set "keystore.vault.approle.id=@$PWD/kes-role-id" --set "keystore.vault.approle.secret=@$PWD/kes-secret-id"
