# shellcheck shell=bash
# start.sh - what the processes 1 of all server peers do alike. Sourced by peers/NAME.d/start inside the running root.

# require_free PORT...: fails when something answers there already.
require_free() {
    local port
    for port in "$@"; do
        # Servers bind with SO_REUSEPORT or SO_REUSEADDR: they could share the port with another instance instead of failing.
        ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || failed "port $port is in use"
    done
}

# certificate: an authority, a leaf for localhost and one for a client, relay@peer.test, in /peer, unless it has a certificate.
certificate() {
    [ ! -f /peer/cert.pem ] || return 0
    make_certificate >>/peer/startlog 2>&1
}

make_certificate() {
    cd /peer
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=Gatepost test authority" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign" -keyout ca-key.pem -out ca.pem
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" -keyout key.pem -out leaf.csr
    openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 30 -out cert.pem -extfile <(
        printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n'
    )
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=relay@peer.test" -keyout client-key.pem -out leaf.csr
    openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 30 -out client.pem -extfile <(
        printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=clientAuth\nsubjectAltName=email:relay@peer.test\n'
    )
    rm ca-key.pem leaf.csr ca.srl 2>/dev/null || true
    cd /
}

# kerberos OWNER: when /peer holds krb5.conf and keytab, the programs of this root find them, and OWNER may read the keys.
kerberos() {
    [ -f /peer/keytab ] || return 0
    install -m 644 /peer/krb5.conf /etc/krb5.conf
    install -o "$1" -m 600 /peer/keytab /etc/krb5.keytab
}

# serve_ports STARTTLS IMPLICIT CLEAR: says `ready` when all three have answered, and waits for the end of the input.
serve_ports() {
    await "STARTTLS port $1" greeted "$1"
    await "implicit TLS port $2" greeted_over_tls "$2"
    await "clear port $3" greeted "$3"
    echo ready
    cat >/dev/null
}

# await WHAT PROBE...: until the probe succeeds, for half a minute at most.
await() {
    local what=$1 deadline=$((SECONDS + 30))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || failed "$what does not answer"
        sleep 0.05
    done
}

greeted() {
    local line=''
    { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
    read -r -t 5 line <&3 || true
    printf 'QUIT\r\n' >&3 || true
    exec 3>&-
    [[ $line == 220\ * ]]
}

greeted_over_tls() {
    printf 'QUIT\r\n' | timeout 5 openssl s_client -quiet -connect "127.0.0.1:$1" 2>/dev/null | grep -q '^220 '
}

# failed WHAT: the end, with the last lines of the logs.
failed() {
    local log
    echo "peers: $1" >&2
    for log in /peer/*log; do
        [ ! -f "$log" ] || tail -n 20 "$log" >&2
    done
    echo "  next: are the ports free (ss -ltnp)? The whole logs are in the directory given by --dir" >&2
    exit 1
}
