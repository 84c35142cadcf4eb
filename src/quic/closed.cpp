// Closed: why a connection ended, in words.
#include "quic/application.h"
#include "tls/alert.h"

#include <array>

#include <fmt/format.h>

namespace sallyport::quic {
namespace {

constexpr std::uint64_t no_error = 0, connection_refused = 2;
constexpr std::uint64_t h3_no_error = 0x100;  // RFC 9114 §8.1

/// RFC 9000 §20.1
std::string transport_error_name(std::uint64_t code) {
  static constexpr std::array<std::string_view, 17> names{"NO_ERROR",
                                                          "INTERNAL_ERROR",
                                                          "CONNECTION_REFUSED",
                                                          "FLOW_CONTROL_ERROR",
                                                          "STREAM_LIMIT_ERROR",
                                                          "STREAM_STATE_ERROR",
                                                          "FINAL_SIZE_ERROR",
                                                          "FRAME_ENCODING_ERROR",
                                                          "TRANSPORT_PARAMETER_ERROR",
                                                          "CONNECTION_ID_LIMIT_ERROR",
                                                          "PROTOCOL_VIOLATION",
                                                          "INVALID_TOKEN",
                                                          "APPLICATION_ERROR",
                                                          "CRYPTO_BUFFER_EXCEEDED",
                                                          "KEY_UPDATE_ERROR",
                                                          "AEAD_LIMIT_REACHED",
                                                          "NO_VIABLE_PATH"};
  if (code < names.size()) return std::string(names[code]);
  if (code == 0x11) return "VERSION_NEGOTIATION_ERROR";  // RFC 9368 §10.2
  if (code >= Closed::crypto_error_first && code <= Closed::crypto_error_last)
    return fmt::format("TLS alert {}", code - Closed::crypto_error_first);
  return fmt::format("transport error {:#x}", code);
}

}  // namespace

bool Closed::clean() const {
  if (by != By::us && by != By::peer) return false;
  return application ? code == h3_no_error || code == no_error : code == no_error;
}

Error Closed::to_error(std::string (*name)(std::uint64_t)) const {
  switch (by) {
    case By::idle_timeout:
      return {ErrorKind::timeout, "idle timeout: no packet from the peer"};
    case By::handshake_timeout:
      return {ErrorKind::timeout, "the QUIC handshake timed out"};
    case By::stateless_reset:
      return {ErrorKind::closed, "stateless reset: the peer has lost the state of this connection"};
    case By::version:
      return {ErrorKind::protocol, "no QUIC version in common with the server"};
    case By::path:
      return {ErrorKind::unreachable,
              reason.empty() ? "the network path of the connection was closed" : reason};
    case By::us:
    case By::peer:
      break;
  }
  const std::string who = by == By::us ? "we closed the connection" : "the peer closed the connection";
  const std::string words = reason.empty() ? std::string{} : ": " + reason;
  if (application)
    return {ErrorKind::closed,
            fmt::format("{} ({}){}", who,
                        name != nullptr ? name(code) : fmt::format("application error {:#x}", code), words),
            code};
  const bool is_tls = is_tls_alert();
  const ErrorKind kind = is_tls                       ? ErrorKind::tls
                         : code == connection_refused ? ErrorKind::refused
                         : code == no_error           ? ErrorKind::closed
                                                      : ErrorKind::protocol;
  if (is_tls && by == By::peer) {
    const auto alert = static_cast<unsigned>(code - crypto_error_first);
    const auto when = established ? tls::AlertTime::later : tls::AlertTime::in_handshake;
    const auto sender = by_server ? tls::AlertSender::server : tls::AlertSender::client;
    return {kind, tls::peer_alert_text(alert, when, sender) + words, code};
  }
  // Verification failures already are whole sentences.
  if (is_tls && by == By::us && !reason.empty()) return {kind, reason, code};
  return {kind, fmt::format("{} ({}){}", who, transport_error_name(code), words), code};
}

}  // namespace sallyport::quic
