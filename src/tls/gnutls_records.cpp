#include "tls/gnutls_records.h"

#include "tls/alert.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace sallyport::tls {
namespace {

/// A decrypted record, lent by GnuTLS without another copy.
class Record {
 public:
  /// What gnutls_record_recv_packet returns.
  ssize_t receive(gnutls_session_t session) { return gnutls_record_recv_packet(session, &packet_); }
  ~Record() {
    if (packet_ != nullptr) gnutls_packet_deinit(packet_);
  }
  Bytes bytes() const {
    gnutls_datum_t data{};
    gnutls_packet_get(packet_, &data, nullptr);
    return {data.data, data.size};
  }

 private:
  gnutls_packet_t packet_ = nullptr;
};

}  // namespace

bool GnutlsRecords::has_input() const {
  return channel_->has_input() || gnutls_record_check_pending(channel_->native()) > 0;
}

Result<Records::Found> GnutlsRecords::read(const std::function<void(Bytes)>& deliver) {
  Record record;
  const std::size_t before = channel_->input_size();
  const ssize_t count = record.receive(channel_->native());
  if (count > 0) {
    deliver(record.bytes());
    return Found::content;
  }
  if (count == 0) return Found::end;
  if (count == GNUTLS_E_REHANDSHAKE || gnutls_error_is_fatal(static_cast<int>(count)) != 0)
    return std::unexpected(read_failure(static_cast<int>(count)));
  // Where input was taken it was a ticket or a key update; otherwise no complete record is left.
  return channel_->has_input() && channel_->input_size() != before ? Found::content : Found::nothing;
}

Error GnutlsRecords::read_failure(int code) {
  if (code == GNUTLS_E_FATAL_ALERT_RECEIVED) {
    const unsigned alert = gnutls_alert_get(channel_->native());
    const auto by = channel_->server_credentials() != nullptr ? AlertSender::client : AlertSender::server;
    return {ErrorKind::closed, peer_alert_text(alert, AlertTime::later, by), alert};
  }
  if (code == GNUTLS_E_REHANDSHAKE)  // RFC 9113 §9.2.1 forbids it, and nobody else needs it
    gnutls_alert_send(channel_->native(), GNUTLS_AL_FATAL, GNUTLS_A_NO_RENEGOTIATION);
  else
    gnutls_alert_send_appropriate(channel_->native(), code);
  return {ErrorKind::tls, "receiving over TLS failed: " + error_words(code)};
}

Result<> GnutlsRecords::write(std::vector<Chunk>& plain) {
  std::size_t total = 0;
  for (const Chunk& chunk : plain) total += chunk.size();
  channel_->expect(total);
  for (std::size_t next = 0; next < plain.size();) {
    Chunk& front = plain[next];
    if (front.size() >= record_size || next + 1 == plain.size()) {
      const std::size_t count = std::min(front.size(), record_size);
      if (auto sent = send(front.bytes().first(count)); !sent) return sent;
      front.remove_prefix(count);
      if (front.empty()) ++next;
    } else if (auto sent = send_gathered(plain, next); !sent) {
      return sent;
    }
  }
  return {};
}

/// Joins small chunks, from `next` on, into one record. A copy is cheaper than another record, for both ends.
Result<> GnutlsRecords::send_gathered(std::vector<Chunk>& plain, std::size_t& next) {
  std::array<std::uint8_t, record_size> record;
  std::size_t filled = 0;
  while (filled < record.size() && next < plain.size()) {
    Chunk& chunk = plain[next];
    const std::size_t count = std::min(chunk.size(), record.size() - filled);
    std::memcpy(record.data() + filled, chunk.data(), count);
    filled += count;
    chunk.remove_prefix(count);
    if (chunk.empty()) ++next;
  }
  return send(Bytes(record).first(filled));
}

Result<> GnutlsRecords::send(Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = gnutls_record_send(channel_->native(), bytes.data(), bytes.size());
    if (sent < 0)
      return fail(ErrorKind::tls, "sending over TLS failed: " + error_words(static_cast<int>(sent)));
    bytes = bytes.subspan(static_cast<std::size_t>(sent));  // a peer may take shorter records only (RFC 8449)
  }
  return {};
}

void GnutlsRecords::write_close_notify() {
  gnutls_bye(channel_->native(), GNUTLS_SHUT_WR);
}

}  // namespace sallyport::tls
