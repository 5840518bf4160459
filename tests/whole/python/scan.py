"""sslyze looks at listeners with TLS. Arguments: the files of a device, the port where only
MQTT is spoken, then those where HTTP is.

It talks to this machine only, and is asked nothing of which it would have to ask the internet.
"""

import sys
from pathlib import Path

from sslyze import (
    CertificateInfoExtraArgument,
    ClientAuthenticationCredentials,
    RobotScanResultEnum,
    ScanCommandAttemptStatusEnum,
    ScanCommandsExtraArguments,
    Scanner,
    ScanCommand,
    ServerNetworkConfiguration,
    ServerNetworkLocation,
    ServerScanRequest,
    ServerScanStatusEnum,
)

AUTHORITY, CERTIFICATE, KEY = [Path(path) for path in sys.argv[1:4]]
MQTT, *HTTP = [int(port) for port in sys.argv[4:]]

OLD = ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1")
# Each is AEAD with forward secrecy.
GOOD = {
    "tls_1_2": {
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    },
    "tls_1_3": {
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
    },
}
COMMANDS = {
    ScanCommand.CERTIFICATE_INFO,
    ScanCommand.SSL_2_0_CIPHER_SUITES,
    ScanCommand.SSL_3_0_CIPHER_SUITES,
    ScanCommand.TLS_1_0_CIPHER_SUITES,
    ScanCommand.TLS_1_1_CIPHER_SUITES,
    ScanCommand.TLS_1_2_CIPHER_SUITES,
    ScanCommand.TLS_1_3_CIPHER_SUITES,
    ScanCommand.TLS_COMPRESSION,
    ScanCommand.HEARTBLEED,
    ScanCommand.ROBOT,
    ScanCommand.OPENSSL_CCS_INJECTION,
    ScanCommand.SESSION_RENEGOTIATION,
    ScanCommand.ELLIPTIC_CURVES,
    ScanCommand.TLS_EXTENDED_MASTER_SECRET,
}
# It sends a request first.
HTTP_COMMANDS = {ScanCommand.TLS_1_3_EARLY_DATA}


def request(port):
    location = ServerNetworkLocation("localhost", port, ip_address="127.0.0.1")
    extra = ScanCommandsExtraArguments(certificate_info=CertificateInfoExtraArgument(AUTHORITY))
    shown = ClientAuthenticationCredentials(CERTIFICATE, KEY)
    network = ServerNetworkConfiguration("localhost", tls_client_auth_credentials=shown)
    commands = COMMANDS if port == MQTT else COMMANDS | HTTP_COMMANDS
    return ServerScanRequest(location, network, commands, extra)


def judge(port, found):
    """Fails at what is worse than good."""

    def result(command):
        attempt = getattr(found, command)
        completed = attempt.status == ScanCommandAttemptStatusEnum.COMPLETED
        assert completed, (command, attempt.error_reason, attempt.error_trace)
        return attempt.result

    def suites(version):
        accepted = result(f"{version}_cipher_suites").accepted_cipher_suites
        return {suite.cipher_suite.name for suite in accepted}

    for version in OLD:
        assert not suites(version), version
    for version, good in GOOD.items():
        assert suites(version) == good, (version, suites(version))

    assert not result("tls_compression").supports_compression
    if port != MQTT:
        assert not result("tls_1_3_early_data").supports_early_data
    assert not result("heartbleed").is_vulnerable_to_heartbleed
    assert not result("openssl_ccs_injection").is_vulnerable_to_ccs_injection
    assert result("robot").robot_result in (
        RobotScanResultEnum.NOT_VULNERABLE_NO_ORACLE,
        RobotScanResultEnum.NOT_VULNERABLE_RSA_NOT_SUPPORTED,
    )
    renegotiation = result("session_renegotiation")
    assert renegotiation.supports_secure_renegotiation
    assert not renegotiation.is_vulnerable_to_client_renegotiation_dos
    assert result("tls_extended_master_secret").supports_ems_extension
    curves = {curve.name for curve in result("elliptic_curves").supported_curves}
    assert curves <= {"X25519", "secp256r1", "secp384r1"} and curves, curves

    (deployment,) = result("certificate_info").certificate_deployments
    assert deployment.verified_certificate_chain, deployment.path_validation_results
    assert not deployment.verified_chain_has_sha1_signature
    assert deployment.received_chain_has_valid_order


scanner = Scanner()
scanner.queue_scans([request(port) for port in (MQTT, *HTTP)])
for scanned in scanner.get_results():
    done = scanned.scan_status == ServerScanStatusEnum.COMPLETED
    assert done, scanned.connectivity_error_trace
    port = scanned.server_location.port
    judge(port, scanned.scan_result)
    print(f"port {port} is good")
