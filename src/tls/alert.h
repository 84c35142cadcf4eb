// TLS alerts (RFC 8446 §6) as text, and the detection of an unencrypted alert from a client, for which GnuTLS
// only reports a decryption error. For this layer and for QUIC, whose CRYPTO_ERROR carries an alert (RFC 9001
// §4.8).
#pragma once

#include "base/bytes.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace sallyport::tls {

/// The meaning of the alert: "unknown CA", "no ALPN protocol in common". An unknown one is "alert 200".
std::string alert_text(unsigned alert);

enum class AlertTime : std::uint8_t { in_handshake, later };
enum class AlertSender : std::uint8_t { client, server };
/// The sentence for a fatal alert that the peer sent: "the client refused the certificate: unknown CA (alert
/// 48)".
std::string peer_alert_text(unsigned alert, AlertTime when, AlertSender by);

/// Parses the peer's records and finds an unencrypted fatal alert. In TLS 1.3, OpenSSL's clients refuse a
/// certificate with such an alert, before they switch to the handshake keys that the server already expects.
class AlertWatch {
 public:
  /// The stream's bytes, from its first on, in any pieces.
  void feed(Bytes bytes);
  std::optional<unsigned> alert() const { return alert_; }

 private:
  std::array<std::uint8_t, 5> header_{};
  std::array<std::uint8_t, 2> body_{};
  std::size_t header_used_ = 0, left_ = 0;  // left_: of the record's body
  bool is_alert_ = false;
  std::optional<unsigned> alert_;
};

}  // namespace sallyport::tls
