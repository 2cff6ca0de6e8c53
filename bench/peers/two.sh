#!/bin/sh
# KES and MinIO in two containers, and nothing else: what each tool takes for it. What they read was made beforehand by `prepare`.
# usage: two.sh podman|kube|podman-compose|podman-py|podman-in-order|docker|docker-compose|docker-py|docker-in-order prepare|up|ready|down|clean
set -eu
way=$1 command=$2
case $way in
podman | kube | podman-py | podman-in-order) : ;; # a pod: one network for both
*) KES_ENDPOINT=https://kes:7373 ;;
esac
. "$(dirname "$0")/settings.sh"
. "$(dirname "$0")/prepare.sh"

kes_mounts="-v $certs:/certs:ro -v $FOLDER/config:/config:ro -v $FOLDER/kes:/keys"
minio_mounts="-v $certs:/certs:ro -v $FOLDER/config:/config:ro -v $FOLDER/minio:/mnt/minio"
kes_ports="-p 127.0.0.1:$KES_PORT:7373"
minio_ports="-p 127.0.0.1:$S3_PORT:9000 -p 127.0.0.1:$CONSOLE_PORT:9001"

prepare() {
    configure
    compose >"$FOLDER/compose.yaml"
    kube >"$FOLDER/kube.yaml"
}

compose() {
    cat <<END
version: "3"
services:
  kes:
    image: $KES_IMAGE
    container_name: $kes
    entrypoint: [/kes]
    command: [server, --config, /config/kes-config.yaml]
    restart: unless-stopped
    ports: ["127.0.0.1:$KES_PORT:7373"]
    volumes: ["$certs:/certs:ro", "$FOLDER/config:/config:ro", "$FOLDER/kes:/keys"]
  minio:
    image: $MINIO_IMAGE
    container_name: $minio
    depends_on: [kes]
    entrypoint: [minio]
    command: [server, --console-address, ":9001"]
    restart: unless-stopped
    environment: {MINIO_CONFIG_ENV_FILE: /config/minio}
    ports: ["127.0.0.1:$S3_PORT:9000", "127.0.0.1:$CONSOLE_PORT:9001"]
    volumes: ["$certs:/certs:ro", "$FOLDER/config:/config:ro", "$FOLDER/minio:/mnt/minio"]
END
}

kube() {
    cat <<END
apiVersion: v1
kind: Pod
metadata: {name: $pod}
spec:
  restartPolicy: Always
  volumes:
  - {name: certs, hostPath: {path: $certs}}
  - {name: config, hostPath: {path: $FOLDER/config}}
  - {name: keys, hostPath: {path: $FOLDER/kes}}
  - {name: data, hostPath: {path: $FOLDER/minio}}
  containers:
  - name: kes
    image: $KES_IMAGE
    command: [/kes]
    args: [server, --config, /config/kes-config.yaml]
    ports: [{containerPort: 7373, hostPort: $KES_PORT, hostIP: 127.0.0.1}]
    volumeMounts:
    - {name: certs, mountPath: /certs, readOnly: true}
    - {name: config, mountPath: /config, readOnly: true}
    - {name: keys, mountPath: /keys}
  - name: minio
    image: $MINIO_IMAGE
    # In full: kube play forgets the PATH that containers have.
    command: [/usr/bin/minio]
    args: [server, --console-address, ":9001"]
    env: [{name: MINIO_CONFIG_ENV_FILE, value: /config/minio}]
    ports:
    - {containerPort: 9000, hostPort: $S3_PORT, hostIP: 127.0.0.1}
    - {containerPort: 9001, hostPort: $CONSOLE_PORT, hostIP: 127.0.0.1}
    volumeMounts:
    - {name: certs, mountPath: /certs, readOnly: true}
    - {name: config, mountPath: /config, readOnly: true}
    - {name: data, mountPath: /mnt/minio}
END
}

# shellcheck disable=SC2086  # words on purpose: no folder of the benchmark has a space in its name
up() {
    case $way in
    podman)
        podman pod create --name "$pod" $minio_ports $kes_ports
        set -- podman run -d --restart unless-stopped --pod "$pod"
        "$@" --name "$kes" --entrypoint /kes $kes_mounts "$KES_IMAGE" server --config /config/kes-config.yaml
        "$@" --name "$minio" --entrypoint minio $minio_mounts \
            -e MINIO_CONFIG_ENV_FILE=/config/minio "$MINIO_IMAGE" server --console-address :9001
        ;;
    docker)
        docker network create "$pod"
        set -- docker run -d --restart unless-stopped --network "$pod"
        "$@" --network-alias kes --name "$kes" $kes_ports --entrypoint /kes $kes_mounts \
            "$KES_IMAGE" server --config /config/kes-config.yaml
        "$@" --name "$minio" $minio_ports --entrypoint minio $minio_mounts \
            -e MINIO_CONFIG_ENV_FILE=/config/minio "$MINIO_IMAGE" server --console-address :9001
        ;;
    kube) podman kube play "$FOLDER/kube.yaml" ;;
    *-compose) "$way" -p "$NAME" -f "$FOLDER/compose.yaml" up -d ;;
    *-py | *-in-order) "$PYTHON" "$(dirname "$0")/floor.py" "$way" up ;;
    esac
}

down() {
    case $way in
    podman)
        podman pod stop --time 10 "$pod"
        podman pod rm "$pod"
        ;;
    docker)
        docker stop --time 10 "$kes" "$minio"
        docker rm "$kes" "$minio"
        docker network rm "$pod"
        ;;
    kube) podman kube down "$FOLDER/kube.yaml" ;;
    *-compose) "$way" -p "$NAME" -f "$FOLDER/compose.yaml" down ;;
    *-py | *-in-order) "$PYTHON" "$(dirname "$0")/floor.py" "$way" down ;;
    esac
}

# Both answer: MinIO, which has asked KES for its key before, and KES to MinIO's identity.
ready() {
    attempt curl -sf -o "$FOLDER/answer" "http://127.0.0.1:$S3_PORT/minio/health/ready"
    attempt ask_kes GET /v1/ready
}

# By name, and whatever half of it is there.
clean() {
    case $way in
    docker*)
        docker rm --force --volumes "$kes" "$minio"
        docker network rm "$pod"
        docker network rm "${NAME}_default"
        ;;
    *)
        podman pod rm --force --ignore --time 3 "$pod"
        podman rm --force --ignore --time 3 "$kes" "$minio"
        podman pod rm --force --ignore --time 3 "pod_$NAME"
        podman network rm --force "${NAME}_default"
        ;;
    esac >/dev/null 2>&1 || true
    rm -rf "$FOLDER"
}

"$command"
