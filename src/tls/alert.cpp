#include "tls/alert.h"

#include <algorithm>
#include <string_view>

namespace sallyport::tls {
namespace {

constexpr std::uint8_t alert_record = 21;  // RFC 8446 §5.1
constexpr std::uint8_t fatal_level = 2;    // RFC 8446 §6
constexpr unsigned close_notify = 0, user_canceled = 90;
constexpr unsigned bad_certificate = 42, certificate_unknown = 46, unknown_ca = 48,
                   certificate_required = 116;

/// RFC 8446 §6.1, §6.2; decompression_failure and others of its past are as good as nameless.
std::string_view name_of(unsigned alert) {
  switch (alert) {
    case close_notify:
      return "close notify";
    case 10:
      return "unexpected message";
    case 20:
      return "bad record MAC";
    case 22:
      return "record overflow";
    case 40:  // its usual cause
    case 71:
      return "no cipher suite, group or signature algorithm in common";
    case bad_certificate:
      return "bad certificate";
    case 43:
      return "unsupported certificate";
    case 44:
      return "certificate revoked";
    case 45:
      return "certificate expired";
    case certificate_unknown:
      return "certificate unknown";
    case 47:
      return "illegal parameter";
    case unknown_ca:
      return "unknown CA";
    case 49:
      return "access denied";
    case 50:
      return "decode error";
    case 51:
      return "decrypt error";
    case 70:
      return "no TLS version in common";
    case 80:
      return "internal error";
    case 86:
      return "inappropriate fallback";
    case user_canceled:
      return "user canceled";
    case 100:
      return "no renegotiation";
    case 109:
      return "missing extension";
    case 110:
      return "unsupported extension";
    case 112:
      return "unrecognized name in SNI";
    case 113:
      return "bad certificate status response";
    case 115:
      return "unknown PSK identity";
    case certificate_required:
      return "certificate required";
    case 120:
      return "no ALPN protocol in common";
    default:
      return {};
  }
}

bool is_about_certificate(unsigned alert) {
  return (alert >= bad_certificate && alert <= certificate_unknown) || alert == unknown_ca;
}

}  // namespace

std::string alert_text(unsigned alert) {
  const std::string_view name = name_of(alert);
  return name.empty() ? "alert " + std::to_string(alert) : std::string(name);
}

std::string peer_alert_text(unsigned alert, AlertTime when, AlertSender by) {
  std::string words = alert_text(alert);
  if (!name_of(alert).empty()) words += " (alert " + std::to_string(alert) + ")";
  if (is_about_certificate(alert))
    return (by == AlertSender::client ? "the client refused the certificate: "
                                      : "the server refused the client certificate: ") +
           words;
  if (by == AlertSender::server && alert == certificate_required)
    return "the server requires a client certificate: " + words;
  return (when == AlertTime::in_handshake ? "the peer refused the TLS handshake: "
                                          : "the peer closed the connection with a TLS alert: ") +
         words;
}

void AlertWatch::feed(Bytes bytes) {
  while (!bytes.empty()) {
    if (header_used_ < header_.size()) {
      header_[header_used_++] = bytes.front();
      bytes = bytes.subspan(1);
      if (header_used_ < header_.size()) continue;
      left_ = header_[3] * std::size_t{256} + header_[4];
      // An encrypted one is longer, and in TLS 1.3 of another type.
      is_alert_ = header_[0] == alert_record && left_ == body_.size();
    } else {
      const std::size_t count = std::min(left_, bytes.size());
      if (is_alert_) copy_bytes(bytes.first(count), body_.data() + (body_.size() - left_));
      left_ -= count;
      bytes = bytes.subspan(count);
    }
    if (left_ > 0) continue;
    // A warning or close_notify is not the reason of a failed handshake.
    if (is_alert_ && body_[0] == fatal_level && body_[1] != close_notify && body_[1] != user_canceled)
      alert_ = body_[1];
    header_used_ = 0;
    is_alert_ = false;
  }
}

}  // namespace sallyport::tls
