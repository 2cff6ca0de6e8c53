# kesdeploy does all of this by itself in the OpenBao that it runs. For a Vault that you have, with your own names:
# kesdeploy policy vault --set keystore.vault.address=https://HOST:8200 --set keystore.vault.prefix=FOLDER
# Run this where the vault command is logged in and may write policies. With OpenBao, the command is bao.
# For a KV engine of version 2. Of version 1? --set keystore.vault.version=v1
# "path is already in use" is no error: what is there stays.
vault secrets enable -path=kv -version=2 kv
vault policy write kes-kv-demo - <<'EOF'
# What KES needs for its keys, and no more. Renewing its token is allowed by Vault's own policy `default`.
path "kv/data/demo/*" {
  capabilities = ["create", "read"]
}
path "kv/metadata/demo/*" {
  capabilities = ["list", "delete"]
}
EOF
vault auth enable -path=approle approle
vault write auth/approle/role/kes-kv-demo token_policies=kes-kv-demo token_period=5m token_num_uses=0 secret_id_ttl=0 secret_id_num_uses=0
(umask 077
vault read -field=role_id auth/approle/role/kes-kv-demo/role-id > kes-role-id
vault write -f -field=secret_id auth/approle/role/kes-kv-demo/secret-id > kes-secret-id)
# Then: --set "keystore.vault.approle.id=@$PWD/kes-role-id" --set "keystore.vault.approle.secret=@$PWD/kes-secret-id"
