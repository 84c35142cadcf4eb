// Stand-ins for what masque works with, for its unit tests: an exchange and its connection that record what
// is done to them, a datagram path of which the same holds, and an outside world of made-up names, UDP paths
// and TCP streams.
#pragma once

#include "http/connection.h"
#include "net/memory_stream.h"
#include "net/outbound.h"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::masque {

class ExchangeForTest final : public http::Exchange {
 public:
  ExchangeForTest(http::Connection& connection, bool server, http::Request request)
      : Exchange(connection, http::Version::http3, server) {
    request_ = std::move(request);
  }
  http::ExchangeHandler* handler() const { return handler_; }

  std::int64_t stream_id() const override { return 0; }
  void set_identity(std::string_view name) override { identity = name; }
  void set_addresses(std::string_view list) override { addresses = list; }
  void inform(const http::Response&) override {}
  void respond(const http::Response& head, bool end) override {
    responses.push_back(head);
    finished = finished || end;
  }
  void write(Chunk chunk) override {
    EXPECT_FALSE(server_ && responses.empty()) << "a body before the response";
    body += as_text(chunk.bytes());
    held.push_back(std::move(chunk));
  }
  using Exchange::write;
  std::size_t queued_bytes() const override { return queued; }
  void finish(const http::Fields&) override {
    EXPECT_FALSE(server_ && responses.empty()) << "an end before the response";
    finished = true;
  }
  void reset(http::ResetCode code) override { resets.push_back(code); }
  void reset(http::ResetCode code, const Error& why) override {
    reset(code);
    reset_why = why;
  }
  void stop_reading(http::ResetCode) override { stopped = true; }
  void consume(std::size_t bytes) override { consumed += bytes; }
  void use_capsules() override { capsules = true; }
  bool send_datagram(Bytes prefix, Bytes payload) override {
    if (prefix.size() + payload.size() > max_payload || datagram_room == 0) return false;
    --datagram_room;
    datagrams.push_back(std::string(as_text(prefix)) + std::string(as_text(payload)));
    return true;
  }
  void send_capsule(std::uint64_t type, Bytes value) override {
    sent_capsules.emplace_back(type, std::vector<std::uint8_t>(value.begin(), value.end()));
  }
  std::size_t max_datagram_payload() const override { return max_payload; }
  std::size_t queued_datagram_bytes() const override { return 0; }
  bool datagrams_unreliable() const override { return true; }

  http::WhenFull when_full() const { return when_full_; }

  // What the peer or the connection does.
  void receive_datagram(std::string_view bytes) {
    if (!handler_->is_padding(as_bytes(bytes))) handler_->on_datagram(*this, as_bytes(bytes));
  }
  Result<> receive_capsule(std::uint64_t type, Bytes value) {
    return handler_->on_capsule(*this, type, value);
  }
  void receive_body(std::string_view bytes) { handler_->on_body(*this, as_bytes(bytes)); }
  void make_datagram_room(std::size_t count) {
    datagram_room = count;
    handler_->on_datagrams_writable(*this);
  }

  std::vector<http::Response> responses;
  std::vector<std::string> datagrams;
  std::vector<std::pair<std::uint64_t, std::vector<std::uint8_t>>> sent_capsules;  ///< type and value
  std::vector<http::ResetCode> resets;
  std::optional<Error> reset_why;  ///< of the last one that said so
  std::string body;
  std::vector<Chunk> held;  ///< as it waits for acknowledgements
  std::string identity;     ///< whom the record is told
  std::string addresses;    ///< as set_addresses() was told last
  std::size_t queued = 0, consumed = 0;
  std::size_t datagram_room = 1'000'000, max_payload = 1300;
  bool finished = false, stopped = false, capsules = false;
};

class ConnectionForTest final : public http::Connection {
 public:
  explicit ConnectionForTest(net::Timers& timers, std::string_view remote = "9.9.9.9:1000")
      : timers_(timers) {
    info_.path.remote = net::SocketAddress::parse(remote).value();
  }
  /// A server's exchange with `request`; kept until close_exchange().
  ExchangeForTest& receive(http::Request request) {
    exchanges_.push_back(std::make_unique<ExchangeForTest>(*this, true, std::move(request)));
    return *exchanges_.back();
  }
  static void close_exchange(ExchangeForTest& exchange, const Error* why = nullptr) {
    exchange.handler()->on_closed(exchange, why);
  }

  http::Exchange& request(http::Request request, http::ExchangeHandler& handler, bool) override {
    exchanges_.push_back(std::make_unique<ExchangeForTest>(*this, false, std::move(request)));
    exchanges_.back()->set_handler(&handler);
    return *exchanges_.back();
  }
  bool can_request() const override { return takes_requests; }
  std::size_t free_streams() const override { return free; }
  std::size_t open_exchanges() const override { return exchanges_.size(); }
  void shutdown() override {}
  void close(const Error&) override {}
  const http::ConnectionInfo& info() const override { return info_; }
  http::ConnectionCounters counters() const override { return {}; }
  net::Timers& timers() const override { return timers_; }
  ExchangeForTest& last() { return *exchanges_.back(); }
  ExchangeForTest& exchange(std::size_t number) { return *exchanges_.at(number); }
  void set_version(http::Version version) { info_.version = version; }
  void set_certificate(std::shared_ptr<const tls::ServedCertificate> certificate) {
    info_.certificate = std::move(certificate);
  }
  void set_client_certificate(std::shared_ptr<const tls::ClientCertificate> certificate) {
    info_.client_certificate = std::move(certificate);
  }

  bool takes_requests = true;
  std::size_t free = 1;  ///< streams

 private:
  net::Timers& timers_;
  http::ConnectionInfo info_;
  std::deque<std::unique_ptr<ExchangeForTest>> exchanges_;
};

/// What happens to a PathForTest, kept when the path is gone.
struct PathRecord {
  struct Run {
    std::string bytes;
    std::size_t segment_size;
  };
  std::vector<Run> runs;
  net::DatagramReceiver* receiver = nullptr;
  net::SendStatus answer = net::SendStatus::sent;
  bool reading = true, open = true;

  void receive(std::string_view bytes, std::size_t segment_size) const {
    receiver->on_datagrams({}, {as_bytes(bytes), segment_size}, {});
  }
};

class PathForTest final : public net::DatagramPath {
 public:
  explicit PathForTest(PathRecord& record, const net::NetPath& socket = {})
      : record_(record), socket_(socket) {}
  ~PathForTest() override { record_.open = false; }
  void set_receiver(net::DatagramReceiver* receiver) override { record_.receiver = receiver; }
  net::SendStatus send(const net::NetPath&, const net::DatagramRun& run) override {
    record_.runs.push_back({std::string(as_text(run.bytes)), run.segment_size});
    return record_.answer;
  }
  std::size_t max_datagram_size() const override { return 65527; }
  net::NetPath net_path() const override { return socket_; }
  void set_reading(bool on) override { record_.reading = on; }

 private:
  PathRecord& record_;
  const net::NetPath socket_;
};

/// Names are answered, and TCP connected, when the Timers run their deferred work.
class OutboundForTest final : public net::Outbound, net::Resolver {
 public:
  explicit OutboundForTest(net::Timers& timers) : timers_(timers) {}

  std::map<std::string, std::vector<std::string>> names;  ///< a name that is not there does not resolve
  std::optional<Error> udp_error;                         ///< of the next address only
  bool udp_error_lasts = false;                           ///< of all that follow, too
  std::size_t udp_attempts = 0, large_udp = 0;
  std::optional<Error> tcp_error;
  std::function<std::unique_ptr<net::DatagramPath>()> make_udp;  ///< in place of PathForTest
  Duration name_delay{};                                         ///< names are answered so much later
  bool silent = false;                                           ///< neither names nor TCP are ever answered
  std::vector<std::pair<std::string, std::unique_ptr<PathRecord>>> opened_udp;
  std::vector<std::string> tcp_targets;
  std::vector<net::IpAddress> askers;  ///< on whose behalf names were asked for
  std::unique_ptr<net::ByteStream> tcp_peer;

  net::Resolver& resolver() override { return *this; }
  Result<std::unique_ptr<net::DatagramPath>> open_udp(const net::SocketAddress& target,
                                                      net::UdpBuffers buffers) override {
    large_udp += buffers == net::UdpBuffers::large ? 1 : 0;
    ++udp_attempts;
    if (udp_error && udp_error_lasts) return std::unexpected(*udp_error);
    if (udp_error) return std::unexpected(*std::exchange(udp_error, std::nullopt));
    opened_udp.emplace_back(target.to_string(), std::make_unique<PathRecord>());
    if (make_udp) return make_udp();
    return std::make_unique<PathForTest>(*opened_udp.back().second);
  }
  std::unique_ptr<net::TcpConnecting> open_tcp(const std::vector<net::SocketAddress>& targets, Duration,
                                               net::TcpConnected connected, net::TcpAddressFailed) override {
    for (const auto& target : targets) tcp_targets.push_back(target.to_string());
    if (silent) return std::make_unique<net::TcpConnecting>();
    return std::make_unique<Later<net::TcpConnecting>>(
        timers_, [this, connected = std::move(connected)](Time) {
          if (tcp_error) return connected(std::unexpected(*tcp_error));
          auto [ours, theirs] = net::make_memory_streams(timers_);
          tcp_peer = std::move(theirs);
          connected(std::move(ours));
        });
  }

 private:
  template <class Base>
  struct Later final : Base {
    Later(net::Timers& timers, std::function<void(Time)> work) : deferred(timers, std::move(work)) {
      deferred.request();
    }
    net::Deferred deferred;
  };

  struct Delayed final : net::Resolution {
    Delayed(net::Timers& timers, Duration delay, std::function<void(Time)> work)
        : timer(timers, std::move(work)) {
      timer.arm(timers.now() + delay);
    }
    net::Timer timer;
  };

  std::unique_ptr<net::Resolution> resolve(const std::string& host, const net::IpAddress& asker,
                                           Answer answer) override {
    askers.push_back(asker);
    if (silent) return std::make_unique<net::Resolution>();
    auto work = [this, host, answer = std::move(answer)](Time) {
      const auto found = names.find(host);
      if (found == names.end()) return answer(fail(ErrorKind::resolve, "no such name: " + host));
      std::vector<net::IpAddress> addresses;
      for (const auto& text : found->second) addresses.push_back(net::IpAddress::parse(text).value());
      answer(std::move(addresses));
    };
    if (name_delay > Duration{}) return std::make_unique<Delayed>(timers_, name_delay, std::move(work));
    return std::make_unique<Later<net::Resolution>>(timers_, std::move(work));
  }

  net::Timers& timers_;
};

}  // namespace sallyport::masque
