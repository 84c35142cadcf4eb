#include "tcp_race.h"

#include "net/socket_calls.h"
#include "tcp_host.h"

#include <cassert>
#include <cerrno>
#include <string>
#include <utility>

namespace sallyport::sim {

TcpRace::TcpRace(TcpHost& host, std::vector<net::SocketAddress> targets, Duration timeout,
                 net::TcpConnected connected, net::TcpAddressFailed failed)
    : host_(host),
      targets_(std::move(targets)),
      connected_(std::move(connected)),
      failed_(std::move(failed)),
      schedule_(host.timers(), [this](std::size_t number) { start(number); }),
      time_out_(host.timers(),
                [this](Time) {
                  const std::string target = targets_[attempts_.size() - 1].to_string();
                  end(std::unexpected(net::socket_error("cannot connect to " + target, ETIMEDOUT)));
                }),
      answer_(host.timers(), [this](Time) { answer(); }) {
  assert(!targets_.empty());
  time_out_.arm(host.timers().now() + timeout);
  schedule_.begin(targets_.size());
}

void TcpRace::start(std::size_t number) {
  attempts_.emplace_back();
  ++running_;
  auto stream =
      host_.open(targets_[number], [this, number](Result<> result) { on_result(number, std::move(result)); });
  if (!stream) return on_result(number, std::unexpected(std::move(stream.error())));
  attempts_[number] = std::move(*stream);
}

void TcpRace::on_result(std::size_t number, Result<> result) {
  --running_;
  if (result) return end(std::move(attempts_[number]));
  if (failed_) failed_(result.error());
  attempts_[number].reset();
  if (schedule_.advance()) return;
  if (running_ == 0) end(std::unexpected(std::move(result.error())));
}

void TcpRace::end(Result<std::unique_ptr<net::ByteStream>> result) {
  schedule_.stop();
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
