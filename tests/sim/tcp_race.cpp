#include "tcp_race.h"

#include "net/socket_calls.h"
#include "tcp_host.h"

#include <cassert>
#include <cerrno>
#include <string>
#include <utility>

namespace sallyport::sim {
namespace {

constexpr Duration attempt_delay = 250ms;

}  // namespace

TcpRace::TcpRace(TcpHost& host, std::vector<net::SocketAddress> targets, Duration timeout,
                 net::TcpConnected connected)
    : host_(host),
      targets_(std::move(targets)),
      connected_(std::move(connected)),
      next_attempt_(host.timers(), [this](Time) { start_next(); }),
      time_out_(host.timers(),
                [this](Time) {
                  const std::string target = targets_[attempts_.size() - 1].to_string();
                  end(std::unexpected(net::socket_error("cannot connect to " + target, ETIMEDOUT)));
                }),
      answer_(host.timers(), [this](Time) { answer(); }) {
  assert(!targets_.empty());
  time_out_.arm(host.timers().now() + timeout);
  start_next();
}

void TcpRace::start_next() {
  const std::size_t number = attempts_.size();
  attempts_.emplace_back();
  ++running_;
  const bool is_last = number + 1 == targets_.size();
  next_attempt_.arm(is_last ? never : host_.timers().now() + attempt_delay);
  auto stream =
      host_.open(targets_[number], [this, number](Result<> result) { on_result(number, std::move(result)); });
  if (!stream) return on_result(number, std::unexpected(std::move(stream.error())));
  attempts_[number] = std::move(*stream);
}

void TcpRace::on_result(std::size_t number, Result<> result) {
  --running_;
  if (result) return end(std::move(attempts_[number]));
  attempts_[number].reset();
  if (attempts_.size() < targets_.size()) return start_next();
  if (running_ == 0) end(std::unexpected(std::move(result.error())));
}

void TcpRace::end(Result<std::unique_ptr<net::ByteStream>> result) {
  next_attempt_.disarm();
  time_out_.disarm();
  attempts_.clear();
  result_ = std::move(result);
  answer_.request();
}

void TcpRace::answer() {
  const net::TcpConnected connected = std::move(connected_);
  auto result = std::move(*result_);
  connected(std::move(result));  // may destroy this object
}

}  // namespace sallyport::sim
