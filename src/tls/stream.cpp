#include "tls/stream.h"

#include "tls/alert.h"
#include "tls/record_channel.h"
#include "tls/stream_impl.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

namespace sallyport::tls {
namespace {

constexpr std::size_t record_size = 16384;  // RFC 8446 §5.1

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

class StreamImpl final : public Stream, private net::ByteStreamReceiver {
 public:
  StreamImpl(net::Timers& timers, std::unique_ptr<RecordChannel> channel)
      : channel_(std::move(channel)),
        info_(channel_->info()),
        flush_(timers, [this](Time) { flush(); }),
        resume_(timers, [this](Time) { resume(); }),
        report_(timers, [this](Time) { report(); }) {
    channel_->transport().set_receiver(this);
  }
  ~StreamImpl() override { channel_->transport().set_receiver(nullptr); }

  const StreamInfo& info() const override { return info_; }
  net::NetPath net_path() const override { return channel_->transport().net_path(); }
  void set_receiver(net::ByteStreamReceiver* receiver) override { receiver_ = receiver; }

  void write(Chunk chunk) override {
    if (closed_ || finishing_ || chunk.empty()) return;
    plain_bytes_ += chunk.size();
    plain_.push_back(std::move(chunk));
    after_write();
  }

  void write(Bytes bytes) override {
    if (closed_ || finishing_ || bytes.empty()) return;
    plain_bytes_ += bytes.size();
    plain_.push_back(Chunk::share(bytes));
    after_write();
  }

  std::size_t queued_bytes() const override {
    // Writes to a failed stream are discarded. Until on_stream_error is called, no more data is requested.
    if (closed_) return error_ ? high_water + 1 : 0;
    return plain_bytes_ + channel_->transport().queued_bytes();
  }

  void finish() override {
    if (closed_ || finishing_) return;
    finishing_ = true;
    flush_.request();
  }

  void close() override {
    release();
    error_.reset();
    end_due_ = false;
    channel_->transport().close();
  }

  void set_reading(bool on) override {
    if (closed_ || reading_ == on) return;
    reading_ = on;
    channel_->transport().set_reading(on && !transport_ended_);
    if (on &&
        (channel_->has_input() || transport_ended_ || gnutls_record_check_pending(channel_->native()) > 0)) {
      resume_.request();
    }
  }

 private:
  void after_write() {
    was_above_ = was_above_ || queued_bytes() > high_water;
    flush_.request();
  }

  // Writing

  void flush() {
    if (closed_) return;
    if (!encrypt()) return;
    if (finishing_ && !finished_) {
      finished_ = true;
      gnutls_bye(channel_->native(), GNUTLS_SHUT_WR);
    }
    channel_->flush();
    if (finished_) channel_->transport().finish();
    // If the transport is above its high-water mark, its on_stream_writable will follow.
    if (channel_->transport().queued_bytes() <= high_water) tell_writable();
  }

  /// Turns everything in `plain_` into records. False when TLS failed, and the stream with it.
  bool encrypt() {
    channel_->expect(plain_bytes_);
    std::size_t next = 0;
    bool good = true;
    while (good && next < plain_.size()) {
      Chunk& front = plain_[next];
      if (front.size() >= record_size || next + 1 == plain_.size()) {
        const std::size_t count = std::min(front.size(), record_size);
        good = send(front.bytes().first(count));
        if (!good) break;
        front.remove_prefix(count);
        if (front.empty()) ++next;
      } else {
        good = send_gathered(next);
      }
    }
    plain_.clear();
    if (plain_.capacity() > kept_capacity) plain_.shrink_to_fit();
    plain_bytes_ = 0;
    return good;
  }

  /// Joins small chunks, from `next` on, into one record. A copy is cheaper than another record, for both
  /// ends.
  bool send_gathered(std::size_t& next) {
    std::array<std::uint8_t, record_size> record;
    std::size_t filled = 0;
    while (filled < record.size() && next < plain_.size()) {
      Chunk& chunk = plain_[next];
      const std::size_t count = std::min(chunk.size(), record.size() - filled);
      std::memcpy(record.data() + filled, chunk.data(), count);
      filled += count;
      chunk.remove_prefix(count);
      if (chunk.empty()) ++next;
    }
    return send(Bytes(record).first(filled));
  }

  bool send(Bytes bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = gnutls_record_send(channel_->native(), bytes.data(), bytes.size());
      if (sent < 0) {
        fail_with(Error{ErrorKind::tls, "sending over TLS failed: " + error_words(static_cast<int>(sent))});
        return false;
      }
      bytes =
          bytes.subspan(static_cast<std::size_t>(sent));  // a peer may take shorter records only (RFC 8449)
    }
    return true;
  }

  void tell_writable() {
    if (!was_above_) return;
    was_above_ = false;
    if (receiver_ != nullptr) receiver_->on_stream_writable();
  }

  // Reading

  void read() {
    while (!closed_ && reading_ && !peer_ended_) {
      Record record;
      const std::size_t before = channel_->input_size();
      const ssize_t count = record.receive(channel_->native());
      if (count > 0) {
        if (receiver_ != nullptr) receiver_->on_bytes(record.bytes());
      } else if (count == 0) {
        peer_ended_ = end_due_ = true;
        report_.request();
      } else if (count == GNUTLS_E_REHANDSHAKE || gnutls_error_is_fatal(static_cast<int>(count)) != 0) {
        return on_read_failure(static_cast<int>(count));
      } else if (!channel_->has_input() || channel_->input_size() == before) {
        break;  // no complete record is left; otherwise it was a ticket or a key update
      }
    }
    if (transport_ended_ && reading_ && !peer_ended_ && !closed_) {
      fail_with(Error{ErrorKind::closed,
                      "the connection ended without a TLS close_notify alert, data may be truncated"});
    }
  }

  void resume() {
    read();
    channel_->settle();
  }

  void on_read_failure(int code) {
    if (code == GNUTLS_E_FATAL_ALERT_RECEIVED) {
      const unsigned alert = gnutls_alert_get(channel_->native());
      const auto by = channel_->server_credentials() != nullptr ? AlertSender::client : AlertSender::server;
      return fail_with(Error{ErrorKind::closed, peer_alert_text(alert, AlertTime::later, by), alert});
    }
    if (code == GNUTLS_E_REHANDSHAKE) {  // RFC 9113 §9.2.1 forbids it, and nobody else needs it
      gnutls_alert_send(channel_->native(), GNUTLS_AL_FATAL, GNUTLS_A_NO_RENEGOTIATION);
    } else {
      gnutls_alert_send_appropriate(channel_->native(), code);
    }
    channel_->flush();
    channel_->transport().finish();
    fail_with(Error{ErrorKind::tls, "receiving over TLS failed: " + error_words(code)});
  }

  // ByteStreamReceiver: the transport's

  void on_bytes(Bytes bytes) override {
    channel_->arrive(bytes);
    read();
    channel_->settle();
  }

  void on_end() override {
    transport_ended_ = true;
    if (!closed_) read();
  }

  void on_stream_writable() override {
    if (closed_) return;
    // Records are longer than their plaintext: the transport may be above its mark although no write was.
    was_above_ = true;
    if (plain_.empty()) tell_writable();
  }

  void on_stream_error(const Error& why) override { fail_with(why); }

  // Ending

  void release() {
    closed_ = true;
    plain_ = std::vector<Chunk>();
    plain_bytes_ = 0;
  }

  void fail_with(Error why) {
    if (closed_) return;
    release();
    error_ = std::move(why);
    report_.request();
  }

  /// Reports the end where the owner may destroy this: the transport is not on the stack.
  void report() {
    if (end_due_) {
      end_due_ = false;
      if (error_) report_.request();
      if (receiver_ != nullptr) receiver_->on_end();
    } else if (error_) {
      const Error why = *std::exchange(error_, std::nullopt);
      if (receiver_ != nullptr) receiver_->on_stream_error(why);
    }
  }

  static constexpr std::size_t kept_capacity = 16;

  std::unique_ptr<RecordChannel> channel_;
  const StreamInfo info_;
  net::ByteStreamReceiver* receiver_ = nullptr;
  std::vector<Chunk> plain_;  // written in this turn
  std::size_t plain_bytes_ = 0;
  bool reading_ = false;
  bool was_above_ = false;  // over the mark, on_stream_writable is owed
  bool finishing_ = false, finished_ = false;
  bool peer_ended_ = false;       // close_notify came
  bool transport_ended_ = false;  // the end of the transport came
  bool closed_ = false;
  bool end_due_ = false;        // on_end is owed
  std::optional<Error> error_;  // on_stream_error is owed
  net::Deferred flush_, resume_, report_;
};

}  // namespace

std::unique_ptr<Stream> make_stream(net::Timers& timers, std::unique_ptr<RecordChannel> channel) {
  return std::make_unique<StreamImpl>(timers, std::move(channel));
}

}  // namespace sallyport::tls
