#include "tcp_acceptor.h"

#include "tcp_host.h"

#include <utility>

namespace sallyport::sim {

TcpAcceptor::TcpAcceptor(TcpHost& host, const net::SocketAddress& local, const net::TcpOptions& options,
                         Accepted accepted)
    : host_(host),
      local_(local),
      options_(options),
      accepted_(std::move(accepted)),
      hand_out_(host.timers(), [this](Time) { hand_out(); }) {}

TcpAcceptor::~TcpAcceptor() {
  close();
}

void TcpAcceptor::close() {
  if (!std::exchange(is_open_, false)) return;
  host_.forget(*this);
  waiting_.clear();
}

void TcpAcceptor::add(std::unique_ptr<TcpStream> stream) {
  waiting_.push_back(std::move(stream));
  hand_out_.request();
}

void TcpAcceptor::hand_out() {
  auto streams = std::exchange(waiting_, {});
  const Accepted accepted = accepted_;  // the listener may go in the call, and what it was made with
  const Lifetime::Guard guard(lifetime_);
  for (auto& stream : streams) {
    if (guard.gone() || !is_open_) return;
    accepted(std::move(stream));
  }
}

}  // namespace sallyport::sim
