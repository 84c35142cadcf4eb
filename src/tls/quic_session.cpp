#include "tls/quic_session.h"

#include "tls/alert.h"
#include "tls/session.h"
#include "tls/ticket.h"

#include <utility>

namespace sallyport::tls {
namespace {

constexpr unsigned early_data_flags =
    GNUTLS_ENABLE_EARLY_DATA | GNUTLS_NO_END_OF_EARLY_DATA;  // RFC 9001 §8.3
constexpr std::size_t quic_max_early_data = 0xffffffff;      // RFC 9001 §4.6.1

}  // namespace

struct QuicSession::Impl : Session {
  std::shared_ptr<ReplayGuard> replay_guard;
  bool early_data = false;
};

QuicSession::QuicSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
QuicSession::~QuicSession() = default;
gnutls_session_int* QuicSession::native() const {
  return impl_->native();
}
SessionInfo QuicSession::info() const {
  return impl_->info();
}

Result<std::unique_ptr<QuicSession>> QuicSession::server(const QuicServerOptions& options) {
  auto impl = std::make_unique<Impl>();
  if (!options.credentials->asks_clients()) impl->replay_guard = options.early_data;
  impl->early_data = impl->replay_guard != nullptr;
  // Tickets are sent when ngtcp2 says that the handshake is complete, not from the middle of it.
  const unsigned flags =
      GNUTLS_NO_AUTO_SEND_TICKET | GNUTLS_NO_END_OF_EARLY_DATA | (impl->early_data ? early_data_flags : 0u);
  if (auto started = impl->start_server({.carrier = Carrier::quic,
                                         .flags = flags,
                                         .credentials = options.credentials,
                                         .alpn = options.alpn,
                                         .ticket_key = options.ticket_key,
                                         .key_log = options.key_log});
      !started) {
    return std::unexpected(started.error());
  }
  if (impl->early_data) {
    gnutls_anti_replay_enable(impl->native(), impl->replay_guard->native());
    gnutls_record_set_max_early_data_size(impl->native(), quic_max_early_data);
  }
  return std::unique_ptr<QuicSession>(new QuicSession(std::move(impl)));
}

Result<std::unique_ptr<QuicSession>> QuicSession::client(const QuicClientOptions& options) {
  auto impl = std::make_unique<Impl>();
  // GnuTLS would offer early data with any ticket.
  const auto ticket = parse_ticket(options.ticket);
  impl->early_data = options.early_data && ticket && ticket->early_data;
  const unsigned flags =
      GNUTLS_KEY_SHARE_TOP | GNUTLS_NO_END_OF_EARLY_DATA | (impl->early_data ? early_data_flags : 0u);
  if (auto started = impl->start_client({.carrier = Carrier::quic,
                                         .flags = flags,
                                         .trust = options.trust,
                                         .certificate = options.certificate,
                                         .host = options.host,
                                         .alpn = options.alpn,
                                         .ticket = options.ticket,
                                         .on_ticket = options.on_ticket,
                                         .key_log = options.key_log});
      !started) {
    return std::unexpected(started.error());
  }
  return std::unique_ptr<QuicSession>(new QuicSession(std::move(impl)));
}

bool QuicSession::offers_early_data() const {
  return impl_->early_data && impl_->offers_ticket();
}

Result<> QuicSession::send_ticket() {
  if (impl_->server_credentials()->asks_clients()) return {};
  if (const int code = gnutls_session_ticket_send(native(), 1, 0); code < 0) {
    return fail(ErrorKind::tls, "cannot make a session ticket: " + error_words(code));
  }
  return {};
}

Error QuicSession::failure(std::uint8_t alert) const {
  if (impl_->verify_error()) return *impl_->verify_error();
  return {ErrorKind::tls, "the TLS handshake failed: " + alert_text(alert), alert};
}

}  // namespace sallyport::tls
