#!/bin/sh
# minio/docs, "Use Podman to Deploy MinIO and KES", command by command, with the fs keystore in the place of Vault.
# Changed only where it does not start or ends in an error: a bare --auth swallows --config; `tool identity of` is `identity of` now;
# the certificate lacks the name that MinIO calls; /mnt/data is not mounted; CAPATH names another file; the key is made in the pod.
# What is done by eye and by hand in the tutorial (wait, bucket, upload) is done at once, and by curl instead of mc.
# usage: tutorial.sh up|down|clean   (TTY= for no terminal, which is what makes MinIO's start slow; settings.sh says what it reads from the environment)
set -eu
. "$(dirname "$0")/settings.sh"
TTY=${TTY-t}

configure() {
    mkdir -p "$FOLDER/certs" "$FOLDER/minio" "$FOLDER/config"
    podman run --rm -v "$FOLDER/certs:/certs" --entrypoint /kes "$KES_IMAGE" identity new kes_server \
        --key /certs/kes-server.key --cert /certs/kes-server.cert --ip 127.0.0.1
    podman run --rm -v "$FOLDER/certs:/certs" --entrypoint /kes "$KES_IMAGE" identity new minio_server \
        --key /certs/minio-kes.key --cert /certs/minio-kes.cert
    identity=$(podman run --rm -v "$FOLDER/certs:/certs" --entrypoint /kes "$KES_IMAGE" identity of /certs/minio-kes.cert)
    cat >"$FOLDER/config/kes-config.yaml" <<END
address: 0.0.0.0:7373
admin:
  identity: disabled
tls:
  key: /certs/kes-server.key
  cert: /certs/kes-server.cert
policy:
  minio:
    allow: [/v1/key/create/*, /v1/key/generate/*, /v1/key/decrypt/*, /v1/key/bulk/decrypt, /v1/key/list/*, /v1/status, /v1/metrics, /v1/log/audit, /v1/log/error]
    identities: [$identity]
keystore:
  fs:
    path: /tmp/keys
END
    cat >"$FOLDER/config/minio" <<END
MINIO_ROOT_USER=$user
MINIO_ROOT_PASSWORD=$password
MINIO_VOLUMES="/mnt/minio"
MINIO_KMS_KES_ENDPOINT=https://127.0.0.1:7373
MINIO_KMS_KES_CERT_FILE=/certs/minio-kes.cert
MINIO_KMS_KES_KEY_FILE=/certs/minio-kes.key
MINIO_KMS_KES_CAPATH=/certs/kes-server.cert
MINIO_KMS_KES_KEY_NAME=minio-backend-default-key
MINIO_KMS_AUTO_ENCRYPTION=on
END
}

up() {
    configure
    podman pod create -p "$S3_PORT:9000" -p "$CONSOLE_PORT:9090" -p "$KES_PORT:7373" \
        -v "$FOLDER/certs:/certs" -v "$FOLDER/minio:/mnt/minio" -v "$FOLDER/config:/etc/default/" -n "$pod"
    podman run "-d$TTY" --cap-add IPC_LOCK --name "$kes" --pod "$pod" -e KES_SERVER=https://127.0.0.1:7373 \
        -e KES_CLIENT_KEY=/certs/kes-server.key -e KES_CLIENT_CERT=/certs/kes-server.cert --entrypoint /kes \
        "$KES_IMAGE" server --config=/etc/default/kes-config.yaml
    podman run "-d$TTY" --name "$minio" --pod "$pod" -e MINIO_CONFIG_ENV_FILE=/etc/default/minio --entrypoint minio \
        "$MINIO_IMAGE" server --console-address :9090
    podman container ls
    attempt curl -sf -o "$FOLDER/answer" "http://127.0.0.1:$S3_PORT/minio/health/ready"
    podman run --rm --pod "$pod" -e KES_SERVER=https://127.0.0.1:7373 \
        -e KES_CLIENT_KEY=/certs/minio-kes.key -e KES_CLIENT_CERT=/certs/minio-kes.cert --entrypoint /kes \
        "$KES_IMAGE" key create -k my-new-encryption-key
    prove
}

down() {
    podman pod rm --force "$pod"
}

"$1"
