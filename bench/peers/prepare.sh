# Certificates by openssl, and what KES and MinIO read. KES is called `kes` where containers have names, and 127.0.0.1 where they share a network.
: "${KES_ENDPOINT:=https://127.0.0.1:7373}"
certs="$FOLDER/certs"

certificate() { # certificate NAME USAGE
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" \
        -addext subjectAltName=DNS:localhost,DNS:kes,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
        -addext "extendedKeyUsage=$2" -keyout "$certs/$1.key" -out "$certs/$1.cert" 2>/dev/null
}

ask_kes() { # ask_kes METHOD PATH
    curl -sf -o "$FOLDER/answer" --cacert "$certs/kes-server.cert" --cert "$certs/minio-kes.cert" --key "$certs/minio-kes.key" \
        -X "$1" "https://127.0.0.1:$KES_PORT$2"
}

configure() {
    mkdir -p "$certs" "$FOLDER/config" "$FOLDER/minio" "$FOLDER/kes"
    certificate kes-server serverAuth
    certificate minio-kes clientAuth
    identity=$(openssl x509 -in "$certs/minio-kes.cert" -noout -pubkey | openssl pkey -pubin -outform der | sha256sum | cut -d' ' -f1)
    cat >"$FOLDER/config/kes-config.yaml" <<END
version: v1
address: 0.0.0.0:7373
admin:
  identity: disabled
tls:
  key: /certs/kes-server.key
  cert: /certs/kes-server.cert
policy:
  minio:
    allow: [/v1/key/create/*, /v1/key/generate/*, /v1/key/decrypt/*, /v1/key/describe/*, /v1/key/list/*, /v1/status, /v1/ready, /v1/api]
    identities: [$identity]
keystore:
  fs:
    path: /keys
END
    cat >"$FOLDER/config/minio" <<END
MINIO_ROOT_USER=$user
MINIO_ROOT_PASSWORD=$password
MINIO_VOLUMES=/mnt/minio
MINIO_KMS_KES_ENDPOINT=$KES_ENDPOINT
MINIO_KMS_KES_CERT_FILE=/certs/minio-kes.cert
MINIO_KMS_KES_KEY_FILE=/certs/minio-kes.key
MINIO_KMS_KES_CAPATH=/certs/kes-server.cert
MINIO_KMS_KES_KEY_NAME=minio-backend-default-key
MINIO_KMS_AUTO_ENCRYPTION=on
END
}
