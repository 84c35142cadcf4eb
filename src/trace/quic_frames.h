// QUIC frames (RFC 9000 §19, DATAGRAM of RFC 9221) read from the plain payload of a packet, for traces. The
// payload may be a skeleton made by copy_skeleton(), without the data of STREAM, CRYPTO and DATAGRAM frames:
// a packet then takes some fifty bytes of a ring instead of its size. Input may be malformed; reading ends
// there.
#pragma once

#include "base/bytes.h"

#include <cstdint>
#include <optional>

namespace sallyport::trace {

enum class FrameKind : std::uint8_t {
  padding,
  ping,
  ack,
  reset_stream,
  stop_sending,
  crypto,
  new_token,
  stream,
  max_data,
  max_stream_data,
  max_streams,
  data_blocked,
  stream_data_blocked,
  streams_blocked,
  new_connection_id,
  retire_connection_id,
  path_challenge,
  path_response,
  connection_close,
  handshake_done,
  datagram,
  unknown,  ///< an unknown frame type, so of unknown length: it takes the rest of the packet
};

/// Only the fields of its kind are set. Bytes point into the payload.
struct QuicFrame {
  FrameKind kind{};
  std::uint64_t type = 0;  ///< as on the wire
  std::size_t size = 0;    ///< bytes in the packet, type and data included; of padding: how many there are
  std::uint64_t stream_id = 0;
  std::uint64_t offset = 0;      ///< crypto, stream
  std::uint64_t length = 0;      ///< bytes of data: crypto, stream, datagram, new_token
  std::uint64_t limit = 0;       ///< max_*, *_blocked
  std::uint64_t error_code = 0;  ///< reset_stream, stop_sending, connection_close
  std::uint64_t final_size = 0;
  std::uint64_t sequence = 0;  ///< new_connection_id, retire_connection_id
  std::uint64_t retire_prior_to = 0;
  std::uint64_t trigger = 0;  ///< connection_close of the transport: the frame type that caused it
  bool fin = false;
  bool bidirectional = false;  ///< max_streams, streams_blocked
  bool application = false;    ///< connection_close
  bool has_ecn = false;        ///< ack
  std::uint64_t ect0 = 0, ect1 = 0, ce = 0;
  std::uint64_t largest_acked = 0;
  std::uint64_t ack_delay = 0;  ///< as on the wire: still to be shifted by the sender's ack_delay_exponent
  std::uint64_t first_range = 0;
  Bytes ranges;       ///< ack: the further ranges, checked; read them with for_each_acked()
  Bytes data;         ///< connection ID, path data, reason phrase; of a skeleton's data frames: empty
  Bytes reset_token;  ///< new_connection_id
};

class FrameReader {
 public:
  explicit FrameReader(Bytes payload) : in_(payload), left_(payload.size()) {}
  /// A skeleton of a payload that was `payload_size` long.
  FrameReader(Bytes skeleton, std::size_t payload_size)
      : in_(skeleton), left_(payload_size), skeleton_(true), malformed_(payload_size < skeleton.size()) {}

  /// nullopt at the end, and at the first frame that is malformed.
  std::optional<QuicFrame> next();
  bool malformed() const { return malformed_; }
  /// Payload bytes not read: not 0 after a malformed frame.
  std::size_t left() const { return left_; }

 private:
  bool read(QuicFrame& frame);
  bool read_ack(QuicFrame& frame);
  bool read_new_connection_id(QuicFrame& frame);
  bool read_close(QuicFrame& frame);
  bool take(std::uint64_t& value);
  bool take(std::size_t count, Bytes& bytes);
  bool take_data(std::uint64_t count, Bytes& bytes);
  std::size_t elided() const { return left_ - in_.size(); }

  Bytes in_;
  std::size_t left_;  ///< of the original payload, elided data included
  bool skeleton_ = false;
  bool malformed_ = false;
};

/// Calls visit(low, high) for each range of an ACK frame, from the highest down.
template <class Visit>
void for_each_acked(const QuicFrame& ack, Visit&& visit);

/// Copies `payload` to `out` (payload.size() bytes of room) without the data of its data frames; returns the
/// bytes kept.
std::size_t copy_skeleton(Bytes payload, std::uint8_t* out);

}  // namespace sallyport::trace

#include "base/varint.h"

namespace sallyport::trace {

template <class Visit>
void for_each_acked(const QuicFrame& ack, Visit&& visit) {
  std::uint64_t high = ack.largest_acked;
  std::uint64_t low = high - ack.first_range;
  visit(low, high);
  for (Bytes in = ack.ranges; !in.empty();) {
    const auto gap = take_varint(in), length = take_varint(in);
    high = low - *gap - 2;
    low = high - *length;
    visit(low, high);
  }
}

}  // namespace sallyport::trace
