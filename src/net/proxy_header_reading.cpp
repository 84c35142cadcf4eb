#include "net/proxy_header_reading.h"

#include "net/proxy_header.h"

#include <algorithm>
#include <utility>

namespace sallyport::net {
namespace {

/// A stream with another address for its peer, and with bytes that come before all that it has yet to read.
class ProxiedStream final : public ByteStream, private ByteStreamReceiver {
 public:
  ProxiedStream(Timers& timers, std::unique_ptr<ByteStream> stream, const NetPath& path, Chunk rest)
      : stream_(std::move(stream)),
        path_(path),
        rest_(std::move(rest)),
        deliver_(timers, [this](Time) { deliver(); }) {
    if (!rest_.empty()) stream_->set_receiver(this);
  }
  ~ProxiedStream() override { stream_->set_receiver(nullptr); }

  void set_receiver(ByteStreamReceiver* receiver) override {
    receiver_ = receiver;
    if (rest_.empty())
      stream_->set_receiver(receiver);
    else
      want_delivery();
  }
  void set_reading(bool on) override {
    reading_ = on;
    if (rest_.empty())
      stream_->set_reading(on);
    else
      want_delivery();
  }
  void write(Chunk chunk) override { stream_->write(std::move(chunk)); }
  void write(Bytes bytes) override { stream_->write(bytes); }
  std::size_t queued_bytes() const override { return stream_->queued_bytes(); }
  void finish() override { stream_->finish(); }
  void close() override {
    rest_ = Chunk();
    receiver_ = nullptr;
    stream_->close();
  }
  NetPath net_path() const override { return path_; }

 private:
  void want_delivery() {
    if (reading_ && receiver_ != nullptr) deliver_.request();
  }

  void deliver() {
    if (rest_.empty() || !reading_ || receiver_ == nullptr) return;
    const Chunk rest = std::exchange(rest_, Chunk());
    // What follows needs nothing of this any more.
    stream_->set_receiver(receiver_);
    {
      const ChunkLoan loan(rest);
      receiver_->on_bytes(rest.bytes());
    }
    if (receiver_ != nullptr) stream_->set_reading(reading_);
  }

  // While there are bytes to deliver, the stream is not read: it only takes writes, and may fail.
  void on_bytes(Bytes) override {}
  void on_end() override {}
  void on_stream_writable() override {
    if (receiver_ != nullptr) receiver_->on_stream_writable();
  }
  void on_stream_error(const Error& why) override {
    rest_ = Chunk();
    if (receiver_ != nullptr) receiver_->on_stream_error(why);
  }

  const std::unique_ptr<ByteStream> stream_;
  const NetPath path_;
  Chunk rest_;
  ByteStreamReceiver* receiver_ = nullptr;
  bool reading_ = false;
  Deferred deliver_;
};

}  // namespace

ProxyHeaderReading::ProxyHeaderReading(Timers& timers, std::unique_ptr<ByteStream> stream, Duration timeout,
                                       Done done)
    : timers_(timers),
      stream_(std::move(stream)),
      done_(std::move(done)),
      timer_(timers,
             [this](Time) { finish(Error{ErrorKind::timeout, "the PROXY header did not come in time"}); }),
      call_back_(timers, [this](Time) { call_back(); }) {
  timer_.arm(timers.now() + timeout);
  stream_->set_receiver(this);
  stream_->set_reading(true);
}

ProxyHeaderReading::~ProxyHeaderReading() {
  if (stream_) stream_->set_receiver(nullptr);
}

/// Defers the outcome to the end of the turn: the stream may be on the stack now, and must not be destroyed
/// then.
void ProxyHeaderReading::finish(std::optional<Error> error) {
  if (call_back_.requested()) return;
  timer_.disarm();
  error_ = std::move(error);
  stream_->set_reading(false);
  call_back_.request();
}

void ProxyHeaderReading::call_back() {
  const Done done = std::move(done_);
  stream_->set_receiver(nullptr);
  if (error_) return done(std::unexpected(*std::move(error_)));
  NetPath path = stream_->net_path();
  const bool names_client = source_.has_value();
  if (names_client) path.remote = *source_;
  done(HeadedStream{std::make_unique<ProxiedStream>(timers_, std::move(stream_), path, std::move(rest_)),
                    names_client});
  // `this` may be gone.
}

void ProxyHeaderReading::on_bytes(Bytes bytes) {
  if (call_back_.requested()) return;
  const std::size_t before = header_.size();
  const Bytes taken = bytes.first(std::min(bytes.size(), max_proxy_header - before));
  header_.insert(header_.end(), taken.begin(), taken.end());
  const auto found = parse_proxy_header(header_);
  if (!found) return finish(found.error());
  if (!*found) return;
  source_ = (*found)->source;
  const Bytes rest = bytes.subspan((*found)->size - before);
  if (!rest.empty()) rest_ = Chunk::share(rest);
  finish(std::nullopt);
}

void ProxyHeaderReading::on_end() {
  finish(Error{ErrorKind::closed, "the connection ended before its PROXY header was complete"});
}

void ProxyHeaderReading::on_stream_error(const Error& why) {
  if (call_back_.requested() && !error_) error_ = why;  // whoever gets the stream would not hear of it
  finish(why);
}

}  // namespace sallyport::net
