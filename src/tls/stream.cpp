#include "tls/stream.h"

#include "tls/aes_records.h"
#include "tls/gnutls_records.h"
#include "tls/stream_impl.h"

#include <optional>
#include <utility>
#include <vector>

namespace sallyport::tls {
namespace {

class StreamImpl final : public Stream, private net::ByteStreamReceiver {
 public:
  StreamImpl(net::Timers& timers, std::unique_ptr<Records> records, StreamInfo info)
      : records_(std::move(records)),
        info_(std::move(info)),
        flush_(timers, [this](Time) { flush(); }),
        resume_(timers, [this](Time) { resume(); }),
        report_(timers, [this](Time) { report(); }) {
    records_->transport().set_receiver(this);
  }
  ~StreamImpl() override { records_->transport().set_receiver(nullptr); }

  const StreamInfo& info() const override { return info_; }
  net::NetPath net_path() const override { return records_->transport().net_path(); }
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
    return plain_bytes_ + records_->transport().queued_bytes();
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
    records_->transport().close();
  }

  void set_reading(bool on) override {
    if (closed_ || reading_ == on) return;
    reading_ = on;
    records_->transport().set_reading(on && !transport_ended_);
    if (on && (records_->has_input() || transport_ended_)) resume_.request();
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
      records_->write_close_notify();
    }
    records_->flush();
    if (finished_) records_->transport().finish();
    // If the transport is above its high-water mark, its on_stream_writable will follow.
    if (records_->transport().queued_bytes() <= high_water) tell_writable();
  }

  /// Turns everything in `plain_` into records. False when TLS failed, and the stream with it.
  bool encrypt() {
    if (plain_.empty()) return true;
    auto written = records_->write(plain_);
    plain_.clear();
    if (plain_.capacity() > kept_capacity) plain_.shrink_to_fit();
    plain_bytes_ = 0;
    if (!written) fail_with(std::move(written.error()));
    return written.has_value();
  }

  void tell_writable() {
    if (!was_above_) return;
    was_above_ = false;
    if (receiver_ != nullptr) receiver_->on_stream_writable();
  }

  // Reading

  void read() {
    const auto deliver = [this](Bytes bytes) {
      if (receiver_ != nullptr) receiver_->on_bytes(bytes);
    };
    for (bool more = true; more && !closed_ && reading_ && !peer_ended_;) {
      auto found = records_->read(deliver);
      if (!found) return on_read_failure(std::move(found.error()));
      more = *found == Records::Found::content;
      if (*found == Records::Found::end && !closed_) {
        peer_ended_ = end_due_ = true;
        report_.request();
      }
    }
    if (transport_ended_ && reading_ && !peer_ended_ && !closed_) {
      fail_with(Error{ErrorKind::closed,
                      "the connection ended without a TLS close_notify alert, data may be truncated"});
    }
  }

  void resume() {
    read();
    records_->settle();
  }

  void on_read_failure(Error why) {
    if (closed_) return;
    records_->flush();  // the alert
    // The peer's own alert ends the connection as it is.
    if (why.kind == ErrorKind::tls) records_->transport().finish();
    fail_with(std::move(why));
  }

  // ByteStreamReceiver: the transport's

  void on_bytes(Bytes bytes) override {
    records_->arrive(bytes);
    read();
    records_->settle();
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

  std::unique_ptr<Records> records_;
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
  StreamInfo info = channel->info();
  std::unique_ptr<Records> records = AesRecords::take_over(timers, *channel);
  if (!records) records = std::make_unique<GnutlsRecords>(std::move(channel));
  return std::make_unique<StreamImpl>(timers, std::move(records), std::move(info));
}

}  // namespace sallyport::tls
