// Receiving: datagrams are passed to ngtcp2, and its errors handled.
#include "quic/connection_impl.h"
#include "quic/native.h"
#include "quic/packet_protection.h"

#include <algorithm>
#include <utility>

namespace sallyport::quic {

using Impl = Connection::Impl;

int Impl::read(const NativePath& from, net::Ecn ecn, Bytes datagram) {
  bytes_received += datagram.size();
  const std::uint64_t received_before = datagrams_received;
  const ngtcp2_pkt_info info{static_cast<std::uint8_t>(ecn)};
  const int error =
      ngtcp2_conn_read_pkt(conn.get(), from.get(), &info, datagram.data(), datagram.size(), to_native(now));
  if (datagrams_received != received_before) datagram_packets_received_bytes += datagram.size();
  if (const auto violation = tap.guard().violation())
    end({.by = Closed::By::us, .code = violation->code, .reason = std::string(violation->reason)}, true);
  return error;
}

void Impl::receive(const net::NetPath& from, const net::DatagramRun& run, Time at) {
  if (closed) {
    answer_closed(from, run.count());
    return;
  }
  if (ending || run.bytes.empty()) return;
  now = at;
  tap.set_now(at);
  const TapScope scope(tap);
  if (recorder) recorder->datagrams(at, trace::Direction::received, run.count(), run.bytes.size());
  if (run.ecn == net::Ecn::ce) ecn_marked += run.count();
  if (from != current_path) tap.guard().on_other_path();
  const NativePath native(from);
  receiving = true;
  for (std::size_t begin = 0; begin < run.bytes.size() && !ending; begin += run.segment_size) {
    const Bytes datagram = run.bytes.subspan(begin, std::min(run.segment_size, run.bytes.size() - begin));
    if (const int error = read(native, run.ecn, datagram); error != 0) {
      on_read_error(error);
      break;
    }
    if (!tap.stops().empty()) deliver_stops();
  }
  receiving = false;
  tap.stops().clear();
  room_seen = {};
  flush_work.request();
}

bool Impl::receive_first(const net::NetPath& from, Bytes datagram, net::Ecn ecn, Time at) {
  now = at;
  tap.set_now(at);
  const TapScope scope(tap);
  if (recorder) recorder->datagrams(at, trace::Direction::received, 1, datagram.size());
  const int error = read(NativePath(from), ecn, datagram);
  if (error == NGTCP2_ERR_RETRY) return false;
  if (error != 0)
    on_read_error(error);
  else if (!tap.stops().empty())
    deliver_stops();
  flush_work.request();
  return true;
}

/// ngtcp2 answers STOP_SENDING with RESET_STREAM by itself, without a callback.
void Impl::deliver_stops() {
  for (const StopSending& stop : std::exchange(tap.stops(), {})) {
    // A retransmitted STOP_SENDING for a closed stream is ignored. (No other ngtcp2 call tells which streams
    // exist.)
    if (ngtcp2_conn_set_stream_user_data(conn.get(), stop.stream_id, nullptr) != 0) continue;
    if (callback_result(app().on_stop_sending(stop.stream_id, stop.code)) != 0) return;
  }
}

void Impl::on_read_error(int error) {
  switch (error) {
    case NGTCP2_ERR_DRAINING:
      end_closed_by_peer();
      return;
    case NGTCP2_ERR_CLOSING:
      return;
    case NGTCP2_ERR_DROP_CONN:
      end({.by = Closed::By::us, .reason = "invalid first Initial packet"}, false);
      return;
    case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
      if (!change_version()) end({.by = Closed::By::version}, false);
      return;
    default:
      end_with_native_error(error);
  }
}

}  // namespace sallyport::quic
