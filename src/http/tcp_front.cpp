#include "http/tcp_front.h"

#include "http/clear_text_refusal.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace sallyport::http {
namespace {

/// Names a connection in logs; no other of this process has the same.
std::string next_id() {
  static std::atomic<std::uint64_t> number = 0;
  return fmt::format("tcp-{:x}", number.fetch_add(1, std::memory_order_relaxed));
}

}  // namespace

/// A TCP connection: first its PROXY header, if it has one, and its handshake, then its HTTP connection.
struct TcpFront::Session final : ConnectionHandler {
  explicit Session(TcpFront& owner) : front(owner) {}
  void on_connection_closed(Connection& closed, const Error* why) override {
    if (front.options_.log != nullptr) front.options_.log->closed(closed, why);
    front.retire(self);
  }

  TcpFront& front;
  const std::string id = next_id();
  Sessions::iterator self;
  std::unique_ptr<net::ProxyHeaderReading> proxy_header;
  std::unique_ptr<tls::Handshake> handshake;
  std::unique_ptr<ClearTextRefusal> refusal;  // in place of a connection
  std::unique_ptr<Connection> connection;
};

void add_counters(ConnectionCounters& to, const ConnectionCounters& from) {
  to.requests += from.requests;
  to.datagrams_in += from.datagrams_in;
  to.datagrams_out += from.datagrams_out;
  to.datagrams_dropped_unknown_stream += from.datagrams_dropped_unknown_stream;
  to.datagrams_dropped_queue += from.datagrams_dropped_queue;
  to.datagrams_dropped_size += from.datagrams_dropped_size;
  to.datagrams_dropped_sojourn += from.datagrams_dropped_sojourn;
  to.datagrams_dropped_full += from.datagrams_dropped_full;
  to.resets_in += from.resets_in;
  to.resets_out += from.resets_out;
  to.budget_exceeded += from.budget_exceeded;
}

Result<std::unique_ptr<TcpFront>> TcpFront::listen(net::Inbound& inbound, net::Timers& timers,
                                                   const net::SocketAddress& local, RequestHandler& requests,
                                                   TcpFrontOptions options) {
  return make(timers, requests, std::move(options), [&](const net::TcpOptions& tcp, auto accepted) {
    return inbound.listen_tcp(local, tcp, std::move(accepted));
  });
}

Result<std::unique_ptr<TcpFront>> TcpFront::listen_unix(net::Inbound& inbound, net::Timers& timers,
                                                        const std::string& path, RequestHandler& requests,
                                                        TcpFrontOptions options) {
  return make(timers, requests, std::move(options), [&](const net::TcpOptions& tcp, auto accepted) {
    return inbound.listen_unix(path, tcp, std::move(accepted));
  });
}

Result<std::unique_ptr<TcpFront>> TcpFront::make(net::Timers& timers, RequestHandler& requests,
                                                 TcpFrontOptions options, const auto& listen) {
  std::unique_ptr<TcpFront> front(new TcpFront(timers, requests, std::move(options)));
  auto listener = listen(front->tcp_options(), [raw = front.get()](std::unique_ptr<net::ByteStream> stream) {
    raw->accept(std::move(stream));
  });
  if (!listener) return std::unexpected(std::move(listener.error()));
  front->listener_ = std::move(*listener);
  return front;
}

net::TcpOptions TcpFront::tcp_options() {
  return {.reuse_port = options_.reuse_port,
          .silence_timeout = options_.silence_timeout,
          .leave_descriptors = options_.leave_descriptors,
          .counters = &tcp_};
}

TcpFront::TcpFront(net::Timers& timers, RequestHandler& requests, TcpFrontOptions options)
    : timers_(timers),
      requests_(requests),
      options_(std::move(options)),
      clean_up_(timers, [this](Time) { clean_up(); }) {}

TcpFront::~TcpFront() = default;

void TcpFront::set_credentials(std::shared_ptr<const tls::ServerCredentials> credentials) {
  options_.tls->credentials = std::move(credentials);
}

void TcpFront::accept(std::unique_ptr<net::ByteStream> stream) {
  if (sessions_.size() >= options_.most_connections) close_oldest();
  const auto session = sessions_.emplace(sessions_.end(), *this);
  session->self = session;
  if (wants_proxy_header(stream->net_path().remote)) return read_proxy_header(session, std::move(stream));
  begin(session, std::move(stream));
}

bool TcpFront::wants_proxy_header(const net::SocketAddress& peer) const {
  return std::ranges::any_of(
      options_.proxy_protocol_from,
      [address = peer.ip().unmapped()](const net::IpPrefix& prefix) { return prefix.contains(address); });
}

void TcpFront::read_proxy_header(Sessions::iterator session, std::unique_ptr<net::ByteStream> stream) {
  const net::SocketAddress balancer = stream->net_path().remote;
  session->proxy_header = std::make_unique<net::ProxyHeaderReading>(
      timers_, std::move(stream), options_.tls ? options_.tls->timeout : tls::handshake_timeout,
      [this, session, balancer](Result<net::HeadedStream> result) {
        session->proxy_header.reset();
        if (!result) {
          const Error& why = result.error();
          ++(why.kind == ErrorKind::protocol ? counters_.proxy_headers_malformed
                                             : counters_.proxy_headers_incomplete);
          if (options_.log != nullptr) options_.log->refused(session->id, balancer, why);
          return retire(session);
        }
        ++(result->names_client ? counters_.proxy_headers : counters_.proxy_headers_without_client);
        begin(session, std::move(result->stream));
      });
}

void TcpFront::begin(Sessions::iterator session, std::unique_ptr<net::ByteStream> stream) {
  if (!options_.tls) return serve(session, std::move(stream), {}, {});
  const net::SocketAddress client = stream->net_path().remote;
  if (options_.log != nullptr) options_.log->accepted(session->id, client);
  session->handshake =
      tls::accept(timers_, std::move(stream), *options_.tls,
                  [this, session, client](Result<std::unique_ptr<tls::Stream>> result) {
                    if (!result) {
                      ++counters_.handshakes_failed;
                      if (options_.log != nullptr) options_.log->failed(session->id, client, result.error());
                      auto clear_text = session->handshake->take_clear_text();
                      return clear_text ? refuse(session, std::move(clear_text)) : retire(session);
                    }
                    ++counters_.handshakes_completed;
                    put_away(std::move(session->handshake));
                    const auto info = (*result)->info();
                    if (options_.log != nullptr) options_.log->established(session->id, client, info);
                    serve(session, std::move(*result), info.alpn,
                          {.server_name = info.server_name,
                           .tls = info.version,
                           .cipher = info.cipher,
                           .certificate = info.certificate,
                           .client_certificate = info.client_certificate});
                  });
}

/// Is not needed any more, and not to be destroyed inside its own callback.
void TcpFront::put_away(std::unique_ptr<tls::Handshake> handshake) {
  finished_.push_back(std::move(handshake));
  clean_up_.request();
}

void TcpFront::refuse(Sessions::iterator session, std::unique_ptr<net::ByteStream> clear_text) {
  put_away(std::move(session->handshake));
  session->refusal = std::make_unique<ClearTextRefusal>(timers_, std::move(clear_text),
                                                        [this, session] { retire(session); });
}

void TcpFront::serve(Sessions::iterator session, std::unique_ptr<net::ByteStream> stream,
                     std::string_view alpn, StreamSecurity security) {
  security.id = session->id;
  const bool http2 = alpn == "h2";
  ++(http2 ? counters_.http2_total : counters_.http1_total);
  ++(http2 ? counters_.http2_open : counters_.http1_open);
  const auto make = http2 ? make_h2_server : make_h1_server;
  session->connection = make(timers_, std::move(stream), security, requests_, &*session, options_.limits);
}

void TcpFront::retire(Sessions::iterator session) {
  if (const auto& connection = session->connection) {
    --(connection->info().version == Version::http2 ? counters_.http2_open : counters_.http1_open);
    add_counters(counters_.closed, connection->counters());
  }
  retired_.splice(retired_.end(), sessions_, session);
  clean_up_.request();
}

void TcpFront::give_up(Sessions::iterator session) {
  // What came of them in this turn may still be about to be told, of a session that is retired.
  session->proxy_header.reset();
  session->handshake.reset();
  session->refusal.reset();
  retire(session);
}

void TcpFront::close_oldest() {
  const auto oldest = sessions_.begin();
  if (oldest->connection)
    oldest->connection->close({ErrorKind::resource, "too many connections"});
  else
    give_up(oldest);
}

void TcpFront::clean_up() {
  finished_.clear();
  retired_.clear();
  if (sessions_.empty() && drained_) std::exchange(drained_, nullptr)();
}

void TcpFront::drain(std::function<void()> drained) {
  drained_ = std::move(drained);
  listener_->close();
  for (auto next = sessions_.begin(); next != sessions_.end();) {
    const auto session = next++;
    if (session->connection)
      session->connection->shutdown();
    else
      give_up(session);
  }
  clean_up_.request();
}

void TcpFront::for_each(const std::function<void(Connection&)>& visit) const {
  for (const auto& session : sessions_)
    if (session.connection) visit(*session.connection);
}

}  // namespace sallyport::http
