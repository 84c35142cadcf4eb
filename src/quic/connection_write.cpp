// Sending: once at the end of each turn, all that the congestion window allows, in runs.
#include "quic/connection_impl.h"
#include "quic/datagram_frame.h"
#include "quic/native.h"
#include "quic/packet_header.h"
#include "quic/packet_protection.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace sallyport::quic {
namespace {

using Impl = Connection::Impl;

/// Streams and datagrams take turns of this many bytes: long enough for good runs, short beside a round trip.
constexpr std::size_t turn_bytes = 16 * 1024;
/// A packet is filled from at most this many pieces of stream data.
constexpr std::size_t max_pieces = 16;
/// RFC 9002 §7.2.
constexpr std::size_t initial_window = 14'720;
/// What leaves unpaced while nothing waits: this many bytes, and this share of the window.
constexpr std::size_t small_flight = 3'000;
constexpr std::uint64_t small_share = 4;
/// How much longer an IPv6 header is than an IPv4 header.
constexpr std::size_t v6_header_excess = 20;
/// How soon a deadline that is missed because the path is blocked is checked again.
constexpr Duration blocked_pause = 10ms;
/// ngtcp2 takes as few bytes as it can; more than three would need 8 million packets in flight.
constexpr std::size_t largest_packet_number_size = 3;

/// A packet with a DATAGRAM frame of a few bytes is shorter.
constexpr std::size_t small_packet = 128;
/// The content of padding datagrams.
constexpr std::array<std::uint8_t, DatagramQueue::max_payload> zeros{};

}  // namespace

std::size_t Impl::path_limit() const {
  std::size_t limit = std::min<std::size_t>(config->max_udp_payload, path->max_datagram_size());
  const net::SocketAddress& remote = current_path.remote;
  // The configured maximum is meant for IPv4; a path that knows its size (a flow inside another connection)
  // is believed.
  if (remote.family() == AF_INET6 && remote.ip().unmapped().is_v6())
    limit = std::min(limit, std::max(minimum_udp_payload, config->max_udp_payload - v6_header_excess));
  if (conn)
    if (const ngtcp2_transport_params* remote_parameters =
            ngtcp2_conn_get_remote_transport_params(conn.get()))
      limit =
          static_cast<std::size_t>(std::min<std::uint64_t>(limit, remote_parameters->max_udp_payload_size));
  return limit;
}

void Impl::flush(Time at) {
  now = at;
  tap.set_now(at);
  if (closed) return;
  room_seen = {};
  // First: ngtcp2 starts a search of its own for the size of a new path, with its very next packet.
  if (path_changed && !ending) change_path(at);
  if (keeper != nullptr && !blocked && keeper->is_blocked()) wait_for_path();
  if (recorder && mtu.proven() != recorded_mtu) {
    recorded_mtu = mtu.proven();
    recorder->path(at, current_path, recorded_mtu);
  }
  if (!ending && !blocked) write_packets(at);
  if (silence.ping_due) end_ping();
  if (ending) {
    carry_out_end(at);  // the owner may destroy this once it knows
    return;
  }
  if (is_server && handshake_completed && tls) release_tls();
  arm_timer(at);
  if (recorder) record_metrics(at);
  if (handshake_completed) report_max_datagram_payload();
  if (queue.refused() > 0) report_writable(at);
}

/// The application may send at once, and be refused once more: such a flow is not asked about again here.
void Impl::report_writable(Time at) {
  std::optional<StreamId> first;
  for (std::size_t left = queue.refused(); left > 0; --left) {
    const auto flow = queue.take_writable(at);
    if (!flow) break;
    if (!first) first = flow;
    app().on_datagrams_writable(*flow);
  }
  if (first) queue.rotate_refused(*first);
}

void Impl::on_datagram_dropped(StreamId flow, DatagramDrop why) {
  ++(why == DatagramDrop::sojourn ? datagrams_dropped_sojourn : datagrams_dropped_full);
  app().on_datagram_dropped(flow, why);
}

void Impl::write_packets(Time at) {
  const TapScope scope(tap);
  SendBatch batch(*this);
  if (mtu.watching()) mtu.on_turn(at, probe_timeout());
  // ngtcp2 asks for at most 64 KiB in one go; one call to the kernel takes a little less.
  const std::size_t quantum = std::min(ngtcp2_conn_get_send_quantum(conn.get()), SendBatch::max_run_bytes);
  if (mtu.wants_probe() && !write_probe(batch, at)) return;
  if (mtu.welcomes_padding() && !write_padding(batch, at)) return;

  StreamWrite streams;
  // While a black hole is suspected, ngtcp2's own frames go first, in a small packet.
  bool datagrams_turn = !mtu.suspects_black_hole();
  std::size_t turn = 0;
  if (!queue.empty())
    if (const auto round_trip = native_info().min_rtt; round_trip != UINT64_MAX)  // it was measured
      queue.set_round_trip(Duration(round_trip));
  // A packet beyond the quantum would cost its own system call.
  while (!batch.blocked() && batch.total() + mtu.stream_packet_size() <= quantum) {
    const bool datagrams_wait = handshake_completed && !queue.empty();
    const bool take_datagrams = datagrams_wait && (datagrams_turn || streams.dry);
    const ngtcp2_ssize written = take_datagrams ? write_datagrams(batch, at)
                                                : write_streams(batch, mtu.stream_packet_size(), streams, at);
    if (written < 0) {
      end_with_native_error(static_cast<int>(written));
      break;
    }
    if (written == 0) {
      // One kind has nothing to send; try the other.
      if (take_datagrams ? queue.empty() : datagrams_wait && streams.dry) continue;
      break;
    }
    batch.add(static_cast<std::size_t>(written));
    turn += static_cast<std::size_t>(written);
    if (turn >= turn_bytes) {
      turn = 0;
      datagrams_turn = !datagrams_turn;
    }
  }
  batch.flush();
  if (batch.blocked()) wait_for_path();
  pace(batch.total(), !streams.dry || (handshake_completed && !queue.empty()), at);
}

/// Pacing (RFC 9002 §7.7): updates ngtcp2's time for the next packets, which it computes from all bytes
/// written since the last update. Until the update it sends everything that fits the congestion window,
/// without a timer. While `more_waits` (for the window or the quantum) every flush updates it: otherwise only
/// ACKs would trigger further sending, and a whole window would leave in one burst. When nothing waits, small
/// flights are summed up first. An initial window may leave as a burst: pacing the few packets of a handshake
/// over its round trip would delay a chain at every hop. Later a flight that is a small part of the window
/// may be a burst too: an update for each would cost a timer each, and one update for many would delay the
/// next flight for long.
void Impl::pace(std::size_t written, bool more_waits, Time at) {
  unpaced += written;
  if (unpaced == 0) return;
  if (!more_waits) {
    if (bytes_sent <= initial_window || unpaced <= small_flight) return;
    if (unpaced <= initial_window && unpaced <= native_info().cwnd / small_share) return;
  }
  unpaced = 0;
  ngtcp2_conn_update_pkt_tx_time(conn.get(), to_native(at));
}

void Impl::wait_for_path() {
  blocked = true;
  if (keeper != nullptr) keeper->wait_for_path(*member);
}

/// Lets ngtcp2 send its path MTU probe. All pending frames are sent before it in packets of a proven size,
/// because ngtcp2 would put them into the probe. False on an error.
bool Impl::write_probe(SendBatch& batch, Time at) {
  StreamWrite progress;
  ngtcp2_ssize written;
  do {
    written = write_streams(batch, mtu.stream_packet_size(), progress, at);
    if (written > 0) batch.add(static_cast<std::size_t>(written));
  } while (written > 0 && !progress.accepted && !batch.blocked());  // fresh stream data comes after all else
  if (written >= 0 && !batch.blocked() && mtu.wants_probe()) {
    const MutableBytes room = batch.room(mtu.probe_room());
    written = ngtcp2_conn_write_pkt(conn.get(), batch.path(), batch.info(), room.data(), room.size(),
                                    to_native(at));
    if (written > 0)
      batch.add(static_cast<std::size_t>(written));
    else if (written == 0)
      mtu.on_probe_not_taken(at, probe_timeout(), ngtcp2_conn_get_cwnd_left(conn.get()) >= room.size());
  }
  if (written < 0) end_with_native_error(static_cast<int>(written));
  return written >= 0;
}

/// Sends a packet of the size that PathMtu asks for, filled with a datagram that the peer discards, then a
/// small packet. False on an error.
bool Impl::write_padding(SendBatch& batch, Time at) {
  const std::size_t size = mtu.padding_size();
  if (ngtcp2_conn_get_cwnd_left(conn.get()) < size + small_packet) return true;
  const ngtcp2_transport_params* remote = ngtcp2_conn_get_remote_transport_params(conn.get());
  const bool takes_it = remote != nullptr && size <= remote->max_datagram_frame_size && size <= zeros.size();
  const Bytes prefix = takes_it ? app().padding_datagram() : Bytes{};
  mtu.set_padding(!prefix.empty());
  if (prefix.empty()) return true;
  bool sent = false;
  // The room for datagrams is computed with the longest packet number. An ACK frame that ngtcp2 puts first
  // may leave too little room: the ACK is then sent alone, and the datagram in the next packet.
  std::size_t spare = largest_packet_number_size - 1;
  for (std::size_t tries = 0; tries <= largest_packet_number_size && !sent && !batch.blocked(); ++tries) {
    const std::size_t before = batch.total();
    if (!write_padding_packet(batch, size, datagram_room(size) + spare, prefix, sent, at)) return false;
    if (!sent && batch.total() == before && spare > 0) --spare;
  }
  if (!sent) return true;
  if (!batch.blocked() &&
      !write_padding_packet(batch, minimum_udp_payload, prefix.size() + 1, prefix, sent, at))
    return false;
  mtu.on_padding_sent(at);
  return true;
}

/// One packet of at most `size` bytes with a padding datagram of `payload` bytes; `sent` says whether it
/// fitted.
bool Impl::write_padding_packet(SendBatch& batch, std::size_t size, std::size_t payload, Bytes prefix,
                                bool& sent, Time at) {
  const std::array<ngtcp2_vec, 2> pieces{
      ngtcp2_vec{const_cast<std::uint8_t*>(prefix.data()), prefix.size()},
      ngtcp2_vec{const_cast<std::uint8_t*>(zeros.data()), payload - prefix.size()}};
  const MutableBytes room = batch.room(size);
  int accepted = 0;
  const ngtcp2_ssize written = ngtcp2_conn_writev_datagram(
      conn.get(), batch.path(), batch.info(), room.data(), room.size(), &accepted,
      NGTCP2_WRITE_DATAGRAM_FLAG_NONE, padding_id, pieces.data(), pieces.size(), to_native(at));
  sent = accepted != 0;
  if (written > 0) batch.add(static_cast<std::size_t>(written));
  if (written < 0) end_with_native_error(static_cast<int>(written));
  return written >= 0;
}

/// One packet of stream data, or of ngtcp2's own frames.
ngtcp2_ssize Impl::write_streams(SendBatch& batch, std::size_t size, StreamWrite& progress, Time at) {
  const MutableBytes room = batch.room(size);
  for (;;) {
    StreamData data;
    if (!progress.dry && may_open_streams()) {
      auto next = app().next_stream_data();
      if (!next) return callback_result(std::unexpected(std::move(next.error())));
      data = *next;
    }
    if (data.id < 0) progress.dry = true;
    std::array<ngtcp2_vec, max_pieces> pieces;
    std::size_t count = 0, total = 0;
    while (count < data.pieces.size() && count < max_pieces && total < size) {
      const ::iovec& piece = data.pieces[count];
      pieces[count++] = {static_cast<std::uint8_t*>(piece.iov_base), piece.iov_len};
      total += piece.iov_len;
    }
    const bool fin = data.fin && count == data.pieces.size();
    const std::uint32_t flags =
        (data.id >= 0 ? NGTCP2_WRITE_STREAM_FLAG_MORE : NGTCP2_WRITE_STREAM_FLAG_NONE) |
        (fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : NGTCP2_WRITE_STREAM_FLAG_NONE);
    ngtcp2_ssize accepted = -1;
    const ngtcp2_ssize written =
        ngtcp2_conn_writev_stream(conn.get(), batch.path(), batch.info(), room.data(), room.size(), &accepted,
                                  flags, data.id, pieces.data(), count, to_native(at));
    if (accepted >= 0) {
      progress.accepted = true;
      app().on_stream_written(data.id, static_cast<std::size_t>(accepted));
    }
    switch (written) {
      case NGTCP2_ERR_WRITE_MORE:
        continue;
      case NGTCP2_ERR_STREAM_DATA_BLOCKED:
        app().on_stream_blocked(data.id);
        continue;
      case NGTCP2_ERR_STREAM_SHUT_WR:
      case NGTCP2_ERR_STREAM_NOT_FOUND:
        app().on_stream_shut(data.id);
        continue;
      default:
        return written;
    }
  }
}

/// One packet with as many of the queued datagrams as fit. An unproven size is used only for a datagram that
/// needs it, because the whole packet may be lost.
ngtcp2_ssize Impl::write_datagrams(SendBatch& batch, Time at) {
  const std::size_t allowed = mtu.datagram_packet_size(), proven = std::min(mtu.proven(), allowed);
  auto datagram = queue.front(at);
  while (datagram && datagram->size() > datagram_room(allowed)) {  // the path MTU shrank while it was queued
    ++datagrams_dropped_size;
    queue.pop();
    datagram = queue.front(at);
  }
  if (!datagram) return 0;
  const std::size_t size = datagram->size() > datagram_room(proven) ? allowed : proven;
  const MutableBytes room = batch.room(size);
  const std::size_t largest = datagram_room(size);
  bool pending = false;  // ngtcp2 holds an unfinished packet
  bool carries = false;  // datagrams are in it
  const auto finished = [&](ngtcp2_ssize packet) {
    if (carries && packet > 0) datagram_packets_sent_bytes += static_cast<std::uint64_t>(packet);
    return packet;
  };
  for (; datagram; datagram = queue.front(at)) {
    if (datagram->size() > largest) break;
    // Leave the packet open only if two datagrams of this size fit.
    const bool more = queue.count() > 1 && 2 * datagram->size() < largest;
    // ngtcp2 1.11 asserts that no piece is empty.
    const ngtcp2_vec piece{const_cast<std::uint8_t*>(datagram->data()), datagram->size()};
    int accepted = 0;
    const ngtcp2_ssize written = ngtcp2_conn_writev_datagram(
        conn.get(), batch.path(), batch.info(), room.data(), room.size(), &accepted,
        more ? NGTCP2_WRITE_DATAGRAM_FLAG_MORE : NGTCP2_WRITE_DATAGRAM_FLAG_NONE, 0, &piece,
        datagram->empty() ? 0 : 1, to_native(at));
    if (accepted != 0) {
      ++datagrams_sent;
      datagram_bytes_sent += datagram->size();
      carries = true;
      queue.pop();
    }
    if (written != NGTCP2_ERR_WRITE_MORE) return finished(written);
    pending = true;
  }
  if (!pending) return 0;
  return finished(ngtcp2_conn_writev_stream(conn.get(), batch.path(), batch.info(), room.data(), room.size(),
                                            nullptr, NGTCP2_WRITE_STREAM_FLAG_NONE, -1, nullptr, 0,
                                            to_native(at)));
}

net::SendStatus Impl::send_run(const net::NetPath& to, const net::DatagramRun& run) {
  bytes_sent += run.bytes.size();
  if (recorder) recorder->datagrams(now, trace::Direction::sent, run.count(), run.bytes.size());
  net::DatagramPath* way = path;
  if (client && client->next_path != nullptr && to == client->next_net_path) way = client->next_path;
  const net::DatagramRun marked{run.bytes, run.segment_size, config->ecn ? run.ecn : net::Ecn::not_ect};
  if (!is_server && bytes_received == 0 && config->first_datagram_size > run.segment_size)
    return send_filled_up(*way, to, marked);
  return way->send(to, marked);
}

/// Until the server answers, every packet is a long-header packet with a Length, so bytes after the last
/// packet of a datagram are ignored (RFC 9000 §14.1: Initial packets can even be coalesced with invalid
/// packets). Every other flight is sent unpadded, in case the path carries no more.
net::SendStatus Impl::send_filled_up(net::DatagramPath& way, const net::NetPath& to,
                                     const net::DatagramRun& run) {
  filled_up = !filled_up;
  const std::size_t size = std::min(config->first_datagram_size, path_limit());
  if (!filled_up || size <= run.segment_size) return way.send(to, run);
  std::vector<std::uint8_t> larger(size);
  std::copy_n(run.bytes.begin(), run.segment_size, larger.begin());
  const net::SendStatus status = way.send(to, {larger, size, run.ecn});
  if (status == net::SendStatus::too_large || status == net::SendStatus::dropped) return way.send(to, run);
  if (run.count() == 1) return status;
  return way.send(to, {run.bytes.subspan(run.segment_size), run.segment_size, run.ecn});
}

std::size_t Impl::datagram_room(std::size_t packet_size) const {
  if (room_seen.packet_size != packet_size) room_seen = {packet_size, reckon_datagram_room(packet_size)};
  return room_seen.payload;
}

std::size_t Impl::reckon_datagram_room(std::size_t packet_size) const {
  const ngtcp2_cid* id = ngtcp2_conn_get_dcid(conn.get());
  std::size_t frame = packet_size - (1 + id->datalen + largest_packet_number_size + aead_tag_size);
  if (const ngtcp2_transport_params* remote = ngtcp2_conn_get_remote_transport_params(conn.get()))
    frame = static_cast<std::size_t>(std::min<std::uint64_t>(frame, remote->max_datagram_frame_size));
  return std::min(largest_datagram_payload(frame), DatagramQueue::max_payload);
}

std::size_t Impl::packet_size_for(std::size_t payload) const {
  const std::size_t header = 1 + ngtcp2_conn_get_dcid(conn.get())->datalen + largest_packet_number_size;
  return header + 1 + varint_size(payload) + payload + aead_tag_size;
}

void Impl::report_max_datagram_payload() {
  const std::size_t payload = face->max_datagram_payload();
  if (payload == last_max_datagram_payload) return;
  last_max_datagram_payload = payload;
  app().on_max_datagram_payload(payload);
}

void Impl::arm_timer(Time at) {
  Time deadline = std::min(native_deadline(), rest_deadline(at));
  if (blocked) deadline = std::max(deadline, at + blocked_pause);
  if (deadline == timer.deadline()) return;
  if (deadline == never)
    timer.disarm();
  else
    timer.arm(deadline);
}

void Impl::on_timer(Time at) {
  if (ending || closed || rest(at)) return;
  now = at;
  tap.set_now(at);
  const TapScope scope(tap);
  // This is the old path; it must not hold up the validation of the new one.
  if (client && client->next_path != nullptr) blocked = false;
  if (at >= silence_deadline()) end_silence(at);
  if (at >= idle_deadline())
    end({.by = Closed::By::idle_timeout}, false);
  else if (const int error = ngtcp2_conn_handle_expiry(conn.get(), to_native(at)); error != 0)
    end_with_native_error(error);
  flush_work.request();
}

void Impl::record_metrics(Time at) {
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(conn.get(), &info);
  trace::Metrics metrics;
  if (info.latest_rtt != UINT64_MAX && info.min_rtt != UINT64_MAX) {  // else assumed, not measured
    metrics.min_rtt = Duration(info.min_rtt);
    metrics.smoothed_rtt = Duration(info.smoothed_rtt);
    metrics.latest_rtt = Duration(info.latest_rtt);
    metrics.rtt_variance = Duration(info.rttvar);
  }
  metrics.congestion_window = info.cwnd;
  metrics.bytes_in_flight = info.bytes_in_flight;
  metrics.ssthresh = info.ssthresh;
  if (metrics == last_metrics) return;
  last_metrics = metrics;
  recorder->metrics(at, metrics);
}

/// The path validation itself, and the amplification limit until then, are ngtcp2's.
void Impl::on_path_validated(const net::NetPath& validated) {
  if (validated == current_path) return;
  current_path = validated;
  ++path_changes;
  path_changed = true;
}

void Impl::change_path(Time at) {
  path_changed = false;
  if (client && client->next_path != nullptr && current_path == client->next_net_path)
    use(*std::exchange(client->next_path, nullptr));
  mtu.restart(path_limit(), at);
  if (recorder) recorder->path(at, current_path, mtu.proven());
  if (keeper != nullptr) keeper->on_moved(*member);
}

}  // namespace sallyport::quic
