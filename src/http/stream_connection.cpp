#include "http/stream_connection.h"

#include <utility>

namespace sallyport::http {
namespace {

// How long a peer that has our last words has to end its own direction (RFC 9112 §9.6).
constexpr Duration linger_time = 2s;
// How often we look whether it has them.
constexpr Duration linger_look = 500ms;

}  // namespace

StreamConnection::StreamConnection(StreamSetup setup, Version version, bool server)
    : timers_(setup.timers),
      limits_(setup.limits),
      stream_(std::move(setup.stream)),
      handler_(setup.handler),
      info_{.version = version,
            .server = server,
            .server_name = setup.security.server_name,
            .tls = setup.security.tls,
            .cipher = setup.security.cipher,
            .id = setup.security.id,
            .certificate = setup.security.certificate,
            .client_certificate = setup.security.client_certificate},
      gather_(*stream_),
      exchanges_(timers_, limits_, *this),
      linger_(timers_, [this](Time now) { linger(now); }),
      send_(timers_,
            [this](Time) {
              if (phase_ == Phase::open) send();
              if (phase_ == Phase::open) gather_.flush();
            }),
      announce_(timers_, [this](Time) {
        if (handler_ != nullptr) handler_->on_connection_closed(*this, why_ ? &*why_ : nullptr);
      }) {}

StreamConnection::~StreamConnection() = default;

void StreamConnection::start() {
  stream_->set_receiver(this);
  stream_->set_reading(true);
  exchanges_.watch_idle();
}

const ConnectionInfo& StreamConnection::info() const {
  info_.path = stream_->net_path();
  return info_;
}

void StreamConnection::on_idle() {
  if (phase_ == Phase::open) idled();
}

void StreamConnection::remember(const Error* why) {
  if (why != nullptr && !why_) why_ = *why;
}

void StreamConnection::end(const Error* why) {
  if (phase_ != Phase::open) return;
  phase_ = Phase::ending;
  remember(why);
  exchanges_.close_all(why != nullptr ? *why : Error{ErrorKind::closed, "the connection was closed"});
  gather_.flush();
  stream_->finish();
  // It may be held back: what still comes is to be read and thrown away, or TCP would answer it with a reset.
  stream_->set_reading(true);
  unsent_ = stream_->queued_bytes();
  if (peer_ended_ && unsent_ == 0) return drop(nullptr);
  give_up_ = timers_.now() + limits_.idle_timeout;
  linger_.arm(timers_.now() + (unsent_ > 0 ? linger_look : linger_time));
}

// Closing throws away what is still queued, so a slow reader gets all the time that it makes use of.
void StreamConnection::linger(Time now) {
  const std::size_t before = std::exchange(unsent_, stream_->queued_bytes());
  if (unsent_ == 0 && (before == 0 || peer_ended_)) return drop(nullptr);
  if (unsent_ < before) give_up_ = now + limits_.idle_timeout;
  if (now >= give_up_) {
    const Error why{ErrorKind::timeout, "the peer did not read the last data in time"};
    remember(&why);
    return drop(nullptr);
  }
  linger_.arm(now + (unsent_ > 0 ? linger_look : linger_time));
}

void StreamConnection::drop(const Error* why) {
  if (phase_ == Phase::closed) return;
  const bool was_open = phase_ == Phase::open;
  phase_ = Phase::closed;
  if (was_open) {
    remember(why);
    exchanges_.close_all(why != nullptr ? *why : Error{ErrorKind::closed, "the connection was closed"});
  }
  linger_.disarm();
  stream_->close();
  announce_.request();
}

void StreamConnection::on_bytes(Bytes bytes) {
  if (phase_ == Phase::open) received(bytes);
}

void StreamConnection::on_end() {
  peer_ended_ = true;
  if (phase_ == Phase::open)
    received_fin();
  else if (phase_ == Phase::ending && stream_->queued_bytes() == 0)
    drop(nullptr);
}

void StreamConnection::on_stream_writable() {
  if (phase_ == Phase::open) send_soon();
}

void StreamConnection::on_stream_error(const Error& why) {
  drop(&why);
}

}  // namespace sallyport::http
