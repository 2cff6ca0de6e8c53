# What both peers are told by bench/up.py, or by you: NAME=mine KES_IMAGE=… MINIO_IMAGE=… sh bench/peers/fixed.sh up
: "${NAME:=bench-peer}" "${FOLDER:=$HOME/minio-kes-$NAME}"
: "${S3_PORT:=9000}" "${CONSOLE_PORT:=9001}" "${KES_PORT:=7373}"
: "${KES_IMAGE:=quay.io/minio/kes:2025-03-12T09-35-18Z}"
: "${MINIO_IMAGE:=quay.io/minio/minio:RELEASE.2025-04-22T22-12-26Z}"
pod="minio-kes-$NAME" kes="$NAME-kes-server" minio="$NAME-minio-server"
user=myminioadmin password=minio-secret-key-change-me

# attempt COMMAND…: until it succeeds, at most about 30 s
attempt() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || { echo "gave up: $*" >&2; podman logs "$kes" "$minio" >&2; exit 1; }
        sleep 0.05
    done
}

s3() { # s3 METHOD PATH CURL-OPTIONS…
    method=$1 path=$2
    shift 2
    curl -sSf --aws-sigv4 aws:amz:us-east-1:s3 --user "$user:$password" -X "$method" "http://127.0.0.1:$S3_PORT$path" "$@"
}

# An object in an encrypted bucket: in, SSE-KMS by its HEAD, ciphertext on disk, and back.
prove() {
    plain="$FOLDER/plain" back="$FOLDER/back"
    head -c 1500 /dev/urandom | base64 -w 0 >"$plain"
    s3 PUT /proof
    # Older curls leave the header out, and MinIO wants it.
    s3 PUT /proof/object -T "$plain" -H "x-amz-content-sha256: $(sha256sum "$plain" | cut -d' ' -f1)"
    s3 HEAD /proof/object --head | grep -qi '^x-amz-server-side-encryption: aws:kms' || { echo "not encrypted" >&2; exit 1; }
    if grep -rqFf "$plain" "$FOLDER/minio/proof"; then echo "in the clear on disk" >&2; exit 1; fi
    s3 GET /proof/object -o "$back"
    cmp "$plain" "$back"
}

# By name, and whatever half of it is there.
clean() {
    podman pod rm --force --time 3 "$pod" >/dev/null 2>&1 || true
    podman rm --force --time 3 "$kes" "$minio" >/dev/null 2>&1 || true
    rm -rf "$FOLDER"
}
