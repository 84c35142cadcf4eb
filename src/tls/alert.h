// TLS alerts (RFC 8446 §6) as a person reads them, and the one that a client may send in clear where GnuTLS
// only says that it could not decrypt. For this layer and for QUIC, whose CRYPTO_ERROR carries an alert (RFC
// 9001 §4.8).
#pragma once

#include "base/bytes.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace sallyport::tls {

/// What the alert says, and where it may help, of what: "unknown CA", "no ALPN protocol in common". One
/// without a name is "alert 200".
std::string alert_text(unsigned alert);

enum class AlertTime : std::uint8_t { in_handshake, later };
enum class AlertSender : std::uint8_t { client, server };
/// The sentence for a fatal alert that the peer sent: "the client refused the certificate: unknown CA (alert
/// 48)".
std::string peer_alert_text(unsigned alert, AlertTime when, AlertSender by);

/// Follows the records that a peer sends and finds a fatal alert that is not encrypted. OpenSSL's clients
/// refuse a certificate so in TLS 1.3, before they switch to the keys that the server expects already.
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
