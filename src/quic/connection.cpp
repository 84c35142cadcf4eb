// Connection's public face, for both sides.
#include "quic/connection.h"

#include "quic/connection_impl.h"
#include "quic/native.h"
#include "quic/packet_protection.h"

namespace sallyport::quic {

using Impl = Connection::Impl;

Impl::Impl(const Environment& environment, net::DatagramPath& below, std::shared_ptr<const Config> settings,
           bool server)
    : timers(environment.timers),
      random(environment.random),
      recorders(environment.recorders),
      config(std::move(settings)),
      is_server(server),
      path(&below),
      mtu(config->max_udp_payload, config->path_mtu_discovery),
      tap(mtu, server),
      queue(config->datagram_queue, *this),
      windows(config->initial_stream_window, config->maximum_stream_window),
      timer(environment.timers, [this](Time at) { on_timer(at); }),
      flush_work(environment.timers, [this](Time at) { flush(at); }),
      now(environment.timers.now()),
      started(now) {}

Impl::~Impl() = default;

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
  impl_->face = this;
}

Connection::~Connection() {
  if (impl_->client) {
    impl_->path->set_receiver(nullptr);
    if (impl_->client->next_path != nullptr) impl_->client->next_path->set_receiver(nullptr);
  }
}

Application& Impl::app() {
  if (application == nullptr) application = &keeper->make_application(*member);
  return *application;
}

std::uint32_t Impl::version() const {
  if (final_version != 0) return final_version;
  const std::uint32_t negotiated = conn ? ngtcp2_conn_get_negotiated_version(conn.get()) : 0;
  return negotiated != 0 ? negotiated : first_version;
}

bool Impl::has_stream(StreamId id) {
  // ngtcp2 has nothing that asks it plainly.
  return windows.has(id) || ngtcp2_conn_set_stream_user_data(conn.get(), id, nullptr) == 0;
}

bool Connection::is_established() const {
  return impl_->is_established();
}
bool Connection::is_closed() const {
  return impl_->closed != nullptr;
}
bool Connection::can_send_early() const {
  return impl_->early_data && impl_->may_open_streams();
}
const std::string& Connection::alpn() const {
  return impl_->session_info.alpn;
}
const std::string& Connection::cipher() const {
  return impl_->session_info.cipher;
}
const std::shared_ptr<const tls::ServedCertificate>& Connection::certificate() const {
  return impl_->session_info.certificate;
}
const std::shared_ptr<const tls::ClientCertificate>& Connection::client_certificate() const {
  return impl_->session_info.client_certificate;
}
Bytes Connection::original_destination_id() const {
  return id_bytes(impl_->first_destination);
}
bool Connection::is_address_validated() const {
  return impl_->handshake_completed || (impl_->is_server && impl_->retried);
}
const std::string& Connection::server_name() const {
  return impl_->client ? impl_->client->options.host : impl_->session_info.server_name;
}
net::NetPath Connection::path() const {
  return impl_->current_path;
}
trace::Recorder* Connection::recorder() const {
  return impl_->recorder.get();
}
net::Timers& Connection::timers() const {
  return impl_->timers;
}

std::uint64_t Connection::congestion_window() const {
  return impl_->native_info().cwnd;
}

Stats Connection::stats() const {
  const Impl& impl = *impl_;
  Stats stats;
  stats.packets_sent = impl.tap.packets_sent();
  stats.packets_received = impl.tap.packets_received();
  stats.packets_lost = impl.tap.packets_lost();
  stats.bytes_sent = impl.bytes_sent;
  stats.bytes_received = impl.bytes_received;
  stats.datagrams_sent = impl.datagrams_sent;
  stats.datagrams_received = impl.datagrams_received;
  stats.datagrams_dropped_queue = impl.datagrams_dropped_queue;
  stats.datagrams_dropped_size = impl.datagrams_dropped_size;
  stats.datagrams_dropped_sojourn = impl.datagrams_dropped_sojourn;
  stats.datagrams_dropped_full = impl.datagrams_dropped_full;
  stats.datagrams_lost = impl.datagrams_lost;
  stats.datagram_queue_bytes = impl.queue.bytes();
  stats.datagram_queue_sojourn = impl.queue.sojourn(impl.timers.now());
  stats.datagram_bytes_sent = impl.datagram_bytes_sent;
  stats.datagram_bytes_received = impl.datagram_bytes_received;
  stats.datagram_packets_sent_bytes = impl.datagram_packets_sent_bytes;
  stats.datagram_packets_received_bytes = impl.datagram_packets_received_bytes;
  const ngtcp2_conn_info info = impl.native_info();
  if (info.latest_rtt != UINT64_MAX && info.min_rtt != UINT64_MAX) {
    stats.smoothed_rtt = Duration(info.smoothed_rtt);
    stats.min_rtt = Duration(info.min_rtt);
    stats.latest_rtt = Duration(info.latest_rtt);
    stats.rtt_variance = Duration(info.rttvar);
  }
  stats.congestion_window = info.cwnd;
  stats.bytes_in_flight = info.bytes_in_flight;
  stats.max_udp_payload = impl.mtu.proven();
  stats.version = impl.version();
  stats.resting = impl.conn.folded();
  stats.resumed = impl.session_info.resumed;
  stats.early_data_accepted = impl.session_info.early_data_accepted;
  stats.retried = impl.retried;
  stats.ecn_marked = impl.ecn_marked;
  stats.path_changes = impl.path_changes;
  stats.key_updates = impl.tap.key_updates();
  stats.started = impl.started;
  stats.established = impl.established;
  stats.first_byte = impl.tap.first_one_rtt();
  stats.last_received = impl.tap.last_opened();
  return stats;
}

namespace {

Result<StreamId> opened(int error, StreamId id) {
  if (error == 0) return id;
  if (error == NGTCP2_ERR_STREAM_ID_BLOCKED)
    return fail(ErrorKind::resource, "the peer's stream limit is reached");
  return fail(ErrorKind::closed, std::string("cannot open a stream: ") + ngtcp2_strerror(error));
}

}  // namespace

Result<StreamId> Connection::open_bidirectional() {
  if (!impl_->may_open_streams()) return fail(ErrorKind::closed, "the connection is not open");
  StreamId id = -1;
  const int error = ngtcp2_conn_open_bidi_stream(impl_->conn.get(), &id, nullptr);
  if (error == 0) {
    impl_->next_bidirectional = id + 4;
    ++impl_->silence.requests;
  }
  return opened(error, id);
}

StreamId Connection::request_stream_limit() const {
  if (impl_->is_server)
    return 4 * static_cast<StreamId>(impl_->config->peer_bidirectional_streams + impl_->peer_streams_added);
  return impl_->next_bidirectional + 4 * static_cast<StreamId>(bidirectional_streams_left());
}

std::size_t Connection::bidirectional_streams_left() const {
  return impl_->may_open_streams() ? ngtcp2_conn_get_streams_bidi_left(impl_->conn.get()) : 0;
}

Result<StreamId> Connection::open_unidirectional() {
  if (!impl_->may_open_streams()) return fail(ErrorKind::closed, "the connection is not open");
  StreamId id = -1;
  const int error = ngtcp2_conn_open_uni_stream(impl_->conn.get(), &id, nullptr);
  return opened(error, id);
}

void Connection::want_write() {
  if (!impl_->closed) impl_->want_flush();
}

void Connection::consume(StreamId id, std::size_t count) {
  if (impl_->closed) return;
  ngtcp2_conn* const conn = impl_->conn.get();
  const auto round_trip = Duration(impl_->native_info().smoothed_rtt);
  if (impl_->has_stream(id)) {
    const std::size_t credit = impl_->windows.consumed(id, count, impl_->timers.now(), round_trip);
    if (credit > 0) ngtcp2_conn_extend_max_stream_offset(conn, id, credit);
  }
  ngtcp2_conn_extend_max_offset(conn, count);
  impl_->want_flush();
}

void Connection::lower_receive_limit(StreamId id, std::size_t bytes) {
  if (!impl_->closed && impl_->has_stream(id)) impl_->windows.lower_limit(id, bytes);
}

void Connection::reset_stream(StreamId id, std::uint64_t code) {
  if (impl_->closed) return;
  ngtcp2_conn_shutdown_stream_write(impl_->conn.get(), 0, id, code);
  impl_->flush_work.request();
}

void Connection::stop_sending(StreamId id, std::uint64_t code) {
  if (impl_->closed) return;
  ngtcp2_conn_shutdown_stream_read(impl_->conn.get(), 0, id, code);
  impl_->flush_work.request();
}

void Connection::extend_peer_streams_bidirectional(std::size_t count) {
  if (impl_->closed) return;
  ngtcp2_conn_extend_max_streams_bidi(impl_->conn.get(), count);
  impl_->peer_streams_added += count;
  impl_->want_flush();
}

void Connection::extend_peer_streams_unidirectional(std::size_t count) {
  if (impl_->closed) return;
  ngtcp2_conn_extend_max_streams_uni(impl_->conn.get(), count);
  impl_->want_flush();
}

bool Connection::peer_takes_datagrams() const {
  // Asked for by tunnels that are idle, too, whose connection may rest.
  if (impl_->handshake_completed) return impl_->peer_datagrams;
  const ngtcp2_transport_params* remote = ngtcp2_conn_get_remote_transport_params(impl_->conn.get());
  return remote != nullptr && remote->max_datagram_frame_size != 0;
}

std::size_t Connection::max_datagram_payload() const {
  return impl_->datagram_room(impl_->mtu.datagram_packet_size());
}

std::size_t Connection::proven_datagram_payload() const {
  return impl_->reckon_datagram_room(impl_->mtu.proven());
}

bool Connection::send_datagram(Bytes prefix, Bytes payload, StreamId flow, WhenFull when_full) {
  Impl& impl = *impl_;
  if (impl.closed || impl.ending) return false;
  const std::size_t size = prefix.size() + payload.size();
  if (size > max_datagram_payload()) impl.mtu.on_refused(impl.packet_size_for(size), impl.timers.now());
  if (size > max_datagram_payload() || (size == 0 && !peer_takes_datagrams())) {
    ++impl.datagrams_dropped_size;
    return false;
  }
  if (!impl.queue.push(flow, when_full, prefix, payload, impl.timers.now())) {
    ++impl.datagrams_dropped_queue;
    return false;
  }
  impl.flush_work.request();
  return true;
}

std::size_t Connection::queued_datagram_bytes() const {
  return impl_->queue.bytes();
}

void Connection::discount_datagram() {
  impl_->datagram_is_padding = true;
}

void Connection::close(std::uint64_t application_code, std::string_view reason) {
  impl_->end(
      {.by = Closed::By::us, .application = true, .code = application_code, .reason = std::string(reason)},
      true);
}

Result<> Connection::update_keys() {
  if (!impl_->is_established()) return fail(ErrorKind::closed, "the connection is not open");
  if (ngtcp2_conn_initiate_key_update(impl_->conn.get(), to_native(impl_->timers.now())) != 0)
    return fail(ErrorKind::protocol, "the last key update is not yet confirmed");
  impl_->tap.expect_key_update();
  impl_->flush_work.request();
  return {};
}

void Connection::on_datagrams(const net::NetPath& path, const net::DatagramRun& run, Time now) {
  impl_->receive(path, run, now);
}

void Connection::on_path_writable(Time) {
  impl_->blocked = false;
  want_write();
}

void Connection::on_max_datagram_size(std::size_t bytes) {
  Impl& impl = *impl_;
  if (bytes < minimum_udp_payload && !impl.handshake_completed) {
    impl.end({.by = Closed::By::path, .reason = path_too_narrow(bytes)}, false);
    return;
  }
  impl.mtu.set_limit(impl.path_limit(), impl.timers.now());
  want_write();
}

void Connection::on_unreachable(net::Unreachable, const Error& why) {
  if (!impl_->is_server && impl_->bytes_received == 0) on_path_closed(why);
}

void Connection::on_path_closed(const Error& why) {
  impl_->end({.by = Closed::By::path, .reason = why.message}, false);
}

}  // namespace sallyport::quic
