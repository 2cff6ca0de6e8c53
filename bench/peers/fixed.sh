#!/bin/sh
# The tutorial mended by somebody who knows: no TTY, certificates made by openssl, readiness asked for instead of slept for.
# usage: fixed.sh up|down|clean   (settings.sh says what it reads from the environment)
set -eu
. "$(dirname "$0")/settings.sh"
. "$(dirname "$0")/prepare.sh"

up() {
    configure
    podman pod create --name "$pod" -p "127.0.0.1:$S3_PORT:9000" -p "127.0.0.1:$CONSOLE_PORT:9001" -p "127.0.0.1:$KES_PORT:7373"
    podman run -d --name "$kes" --pod "$pod" --restart unless-stopped --entrypoint /kes \
        -v "$certs:/certs:ro" -v "$FOLDER/config:/config:ro" -v "$FOLDER/kes:/keys" \
        "$KES_IMAGE" server --config /config/kes-config.yaml
    attempt ask_kes GET /v1/ready
    ask_kes PUT /v1/key/create/minio-backend-default-key
    podman run -d --name "$minio" --pod "$pod" --restart unless-stopped --entrypoint minio \
        -v "$certs:/certs:ro" -v "$FOLDER/config:/config:ro" -v "$FOLDER/minio:/mnt/minio" \
        -e MINIO_CONFIG_ENV_FILE=/config/minio "$MINIO_IMAGE" server --console-address :9001
    attempt curl -sf -o "$FOLDER/answer" "http://127.0.0.1:$S3_PORT/minio/health/ready"
    prove
}

down() {
    podman pod stop --time 10 "$pod"
    podman pod rm "$pod"
}

"$1"
