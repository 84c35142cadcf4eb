#include "quic/endpoint.h"

#include "quic/endpoint_impl.h"
#include "quic/native.h"
#include "quic/packet_header.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sallyport::quic {
namespace {

using Impl = Endpoint::Impl;

constexpr std::size_t short_id_end = 1 + ConnectionIdLayout::length;
/// Maximum of closed connections kept; late packets of others get a stateless reset.
constexpr std::size_t max_remembered = 10'000;
/// The granularity of their removal.
constexpr Duration sweep_interval = 100ms;

/// The first bytes of a short-header packet's Destination Connection ID, for comparison; false for other
/// packets.
bool short_destination(Bytes datagram, std::uint64_t& id) {
  if (datagram.size() < short_id_end || is_long_header(datagram)) return false;
  std::memcpy(&id, datagram.data() + 1, sizeof id);
  return true;
}

}  // namespace

Impl::Impl(Endpoint& face, const Environment& shared, net::DatagramPath& below, ServerOptions chosen,
           Accept on_accept)
    : environment(shared),
      path(below),
      options(std::move(chosen)),
      config(std::make_shared<const Config>(options.config)),
      accept(std::move(on_accept)),
      tokens(options.secret,
             options.used_tokens ? options.used_tokens : std::make_shared<tls::ReplayRecord>()),
      reset_secret(options.secret.derive("quic stateless reset")),
      ids(shared.random),
      burial(shared.timers, [this](Time) { ended.clear(); }),
      sweep_timer(shared.timers, [this](Time now) { sweep(now); }),
      version_negotiations(1000, 100),
      resets(1000, 100),
      refusals(1000, 100) {
  tls_version_1 = {.credentials = options.credentials,
                   .alpn = options.alpn,
                   .ticket_key = options.secret.derive("quic ticket 1"),
                   .key_log = environment.key_log};
  if (options.early_data)
    tls_version_1.early_data = options.replay_record
                                   ? std::make_shared<tls::ReplayGuard>(options.replay_record)
                                   : std::make_shared<tls::ReplayGuard>();
  tls_version_2 = tls_version_1;
  tls_version_2.ticket_key = options.secret.derive("quic ticket 2");
  path.set_receiver(&face);
}

Impl::~Impl() {
  path.set_receiver(nullptr);
}

Endpoint::Endpoint(const Environment& environment, net::DatagramPath& path, ServerOptions options,
                   Accept accept)
    : impl_(std::make_unique<Impl>(*this, environment, path, std::move(options), std::move(accept))) {}

Endpoint::~Endpoint() = default;

EndpointMember* Impl::find(Bytes datagram) const {
  if (datagram.empty()) return nullptr;
  if (!is_long_header(datagram))
    return datagram.size() < short_id_end
               ? nullptr
               : ids.find(ids.key_of(datagram.subspan(1, ConnectionIdLayout::length)));
  ngtcp2_version_cid header;
  if (ngtcp2_pkt_decode_version_cid(&header, datagram.data(), datagram.size(), ConnectionIdLayout::length) !=
          0 ||
      header.version == 0)
    return nullptr;
  return ids.find(ids.key_of({header.dcid, header.dcidlen}));
}

void Endpoint::on_datagrams(const net::NetPath& from, const net::DatagramRun& run, Time now) {
  // Datagrams joined by GRO have one source, nearly always one connection ID: such stretches are passed to
  // their connection whole.
  const std::size_t step = run.segment_size;
  for (std::size_t begin = 0; begin < run.bytes.size();) {
    const Bytes first = run.bytes.subspan(begin, std::min(step, run.bytes.size() - begin));
    std::size_t end = begin + first.size();
    std::uint64_t id = 0, next_id = 0;
    if (short_destination(first, id)) {
      while (end < run.bytes.size() && short_destination(run.bytes.subspan(end), next_id) && next_id == id)
        end = std::min(end + step, run.bytes.size());
    }
    if (EndpointMember* member = impl_->find(first))
      impl_->deliver(*member, from, {run.bytes.subspan(begin, end - begin), step, run.ecn}, now);
    else
      for (std::size_t at = begin; at < end; at += step)
        impl_->on_unknown(from, run.bytes.subspan(at, std::min(step, end - at)), run.ecn, now);
    begin = end;
  }
}

void Impl::deliver(EndpointMember& member, const net::NetPath& from, const net::DatagramRun& run, Time now) {
  if (member.connection) {
    member.connection->on_datagrams(from, run, now);
    return;
  }
  EndpointMember::Remains& remains = *member.remains;
  if (!remains.close_packet.empty() && remains.close_answers.is_due(run.count()))
    reply(from, remains.close_packet);
}

void Endpoint::on_path_writable(Time now) {
  for (EndpointMember* member : std::exchange(impl_->waiting, {}))
    if (member->connection) member->connection->on_path_writable(now);
}

void Endpoint::on_max_datagram_size(std::size_t bytes) {
  for_each([bytes](Connection& connection) { connection.on_max_datagram_size(bytes); });
}

void Endpoint::on_path_closed(const Error& why) {
  for_each([&why](Connection& connection) { connection.on_path_closed(why); });
}

void Endpoint::set_credentials(std::shared_ptr<const tls::ServerCredentials> credentials) {
  impl_->tls_version_1.credentials = impl_->tls_version_2.credentials = std::move(credentials);
}

void Endpoint::set_config(const Config& config, RetryPolicy retry) {
  impl_->config = std::make_shared<const Config>(config);
  impl_->options.retry = retry;
}

void Endpoint::stop_accepting() {
  impl_->accepting = false;
}

void Endpoint::close_all(std::uint64_t application_code) {
  for_each([application_code](Connection& connection) { connection.close(application_code, {}); });
}

EndpointStats Endpoint::stats() const {
  EndpointStats stats = impl_->stats;
  stats.connection_ids = impl_->ids.size();
  return stats;
}

void Endpoint::for_each(const std::function<void(Connection&)>& visit) {
  for (const auto& member : impl_->members)
    if (member->connection) visit(*member->connection);
}

void Endpoint::set_stray_handler(StrayHandler handler) {
  impl_->on_stray = std::move(handler);
}

Application& Impl::make_application(EndpointMember& member) {
  member.application = accept(*member.connection);
  return *member.application;
}

bool Impl::make_id(ngtcp2_cid& id, std::uint8_t* reset_token) {
  do {
    id = to_native_id(ConnectionIdLayout::make(options.owner, environment.random));
  } while (ids.find(ids.key_of(id_bytes(id))) != nullptr);
  make_reset_token(id, reset_token);
  return true;
}

void Impl::add_id(EndpointMember& member, const ngtcp2_cid& id) {
  ids.set(ids.key_of(id_bytes(id)), &member);
}

void Impl::remove_id(const ngtcp2_cid& id) {
  ids.erase(ids.key_of(id_bytes(id)));
}

std::vector<std::uint8_t> Impl::make_address_token(const net::NetPath& from, std::uint32_t version,
                                                   Time now) {
  return tokens.make_new_token(version, from.remote, wall_time(now));
}

WallTime Impl::wall_time(Time now) const {
  return options.wall_clock != nullptr ? options.wall_clock() : WallTime(now.time_since_epoch());
}

void Impl::on_handshake_end(EndpointMember& member, bool completed) {
  --stats.half_open;
  ++(completed ? stats.handshakes_completed : stats.handshakes_failed);
  if (completed && options.watcher != nullptr) options.watcher->on_established(*member.connection);
}

void Impl::on_moved(EndpointMember& member) {
  if (options.watcher != nullptr) options.watcher->on_moved(*member.connection);
}

void Impl::on_ended(EndpointMember& member, std::vector<std::uint8_t> close_packet, Duration keep) {
  --stats.connections;
  if (options.watcher != nullptr) {
    const Connection::Impl& ending = *member.connection->impl_;
    options.watcher->on_ended(*member.connection, *ending.closed, ending.handshake_completed);
  }
  std::erase(waiting, &member);
  ngtcp2_conn* native = member.connection->impl_->conn.get();
  std::vector<ngtcp2_cid> own(ngtcp2_conn_get_scid(native, nullptr));
  ngtcp2_conn_get_scid(native, own.data());
  auto remains = std::make_unique<EndpointMember::Remains>();
  remains->keys.push_back(member.original_key);
  for (const ngtcp2_cid& id : own) remains->keys.push_back(ids.key_of(id_bytes(id)));
  remains->close_packet = std::move(close_packet);
  remains->forget_at = environment.timers.now() + keep;
  member.remains = std::move(remains);

  // The connection's code is still running; it is destroyed when that is done.
  auto corpse = std::make_unique<EndpointMember>();
  corpse->connection = std::move(member.connection);
  corpse->application = std::move(member.application);
  ended.push_back(std::move(corpse));
  burial.request();

  if (keep == Duration::zero() || remembered.size() >= max_remembered) {
    forget(member);
    return;
  }
  remembered.push_back(&member);
  if (!sweep_timer.armed()) sweep_timer.arm(environment.timers.now() + sweep_interval);
}

void Impl::forget(EndpointMember& member) {
  for (const std::uint64_t key : member.remains->keys)
    if (ids.find(key) == &member) ids.erase(key);
  const std::size_t index = member.index;
  std::swap(members[index], members.back());
  members[index]->index = index;
  members.pop_back();
}

void Impl::sweep(Time now) {
  std::erase_if(remembered, [this, now](EndpointMember* member) {
    if (member->remains->forget_at > now) return false;
    forget(*member);
    return true;
  });
  if (!remembered.empty()) sweep_timer.arm(now + sweep_interval);
}

}  // namespace sallyport::quic
