// What an exchange sends. What it receives is in h3_exchange_receive.cpp.
#include "http/h3_exchange.h"

#include "base/varint.h"
#include "http/h3_connection_impl.h"
#include "http/priority.h"

#include <algorithm>
#include <array>
#include <new>

namespace sallyport::http {

namespace {

/// A DATA frame's payload at most: long enough that its head costs nothing, short enough for a queue that can
/// be told to wait.
constexpr std::size_t max_data_frame = 64 * 1024;
/// Below this many bytes the next DATA frame is laid behind, so that no packet leaves half empty between two
/// frames.
constexpr std::size_t refill_below = 2048;
/// Room beside a field section for the head of the DATA frame behind it.
constexpr std::size_t data_head_room = 8;

// Apart from the list, because it is asked after the list's end: an exchange may die with another
// thread-local object.
thread_local bool memory_ended = false;

/// Memory of exchanges that ended, for those that come next on this thread.
class Recycled {
 public:
  ~Recycled() {
    while (count_ > 0) ::operator delete(blocks_[--count_]);
    memory_ended = true;
  }
  void* take(std::size_t size) {
    return !memory_ended && count_ > 0 ? blocks_[--count_] : ::operator new(size);
  }
  bool keep(void* memory) {
    if (memory_ended || count_ == blocks_.size()) return false;
    blocks_[count_++] = memory;
    return true;
  }

 private:
  std::array<void*, 256> blocks_{};  // as many as a busy turn ends
  std::size_t count_ = 0;
};

thread_local Recycled recycled;

Priority in_turns(Priority priority) {
  priority.incremental = true;
  return priority;
}

std::array<char, 3> status_digits(unsigned status) {
  return {static_cast<char>('0' + status / 100 % 10), static_cast<char>('0' + status / 10 % 10),
          static_cast<char>('0' + status % 10)};
}

}  // namespace

void* H3Exchange::operator new(std::size_t size) {
  return recycled.take(size);
}

void H3Exchange::operator delete(void* memory, std::size_t) {
  if (!recycled.keep(memory)) ::operator delete(memory);
}

H3Exchange::H3Exchange(H3ConnectionImpl& connection, quic::StreamId id, const Priority& priority)
    : ExchangeBase(connection.exchanges(), connection, Version::http3, true),
      H3Sender(priority),
      h3_(connection),
      open_(true) {
  id_ = id;
}

// A client shares its connection out among its uploads and tunnels evenly; only the server's answers wait for
// each other.
H3Exchange::H3Exchange(H3ConnectionImpl& connection, Request request, ExchangeHandler& handler, bool end)
    : ExchangeBase(connection.exchanges(), connection, Version::http3, false),
      H3Sender(in_turns(request.priority)),
      h3_(connection) {
  begin_request(std::move(request), handler, end);
}

H3Exchange::~H3Exchange() = default;

std::size_t H3Exchange::write_ahead() const {
  const quic::Connection* const quic = h3_.quic();
  if (quic == nullptr) return high_water;
  return static_cast<std::size_t>(
      std::clamp<std::uint64_t>(2 * quic->congestion_window(), Chunk::pooled_size, high_water));
}

// Requests

bool H3Exchange::may_go_early() const {
  return is_safe(request_.method) && end_queued() && queued_bytes() == 0;
}

void H3Exchange::open(quic::StreamId id) {
  id_ = id;
  open_ = true;
  touch();
  submit_limit();
  submit_request();
  if (is_ending()) return;
  send_waiting_datagrams();
}

void H3Exchange::send_waiting_datagrams() {
  std::vector<Chunk> datagrams;
  datagrams.swap(waiting_datagrams_);
  for (const Chunk& datagram : datagrams) send_datagram({}, datagram.bytes());
  if (!request_.is_connect() || handler() == nullptr || is_ending()) return;
  handler()->on_max_datagram_payload(*this);
  if (!is_ending() && take_datagram_refused()) handler()->on_datagrams_writable(*this);
}

void H3Exchange::settings_known() {
  if (open_ && is_tunnel()) send_waiting_datagrams();
}

void H3Exchange::restart() {
  h3_.scheduler().remove(*this);
  out_.clear();
  request_lost();
  frame_ = {};
  unfinished_.reset();
  id_ = -1;
  open_ = flow_blocked_ = fin_offered_ = fin_sent_ = trailers_sent_ = false;
}

void H3Exchange::submit_request() {
  QpackEncoder& encoder = QpackEncoder::shared();
  encoder.begin();
  encoder.add(":method", request_.method);
  if (!request_.is_connect() || is_extended_connect()) encoder.add(":scheme", request_.scheme);
  encoder.add(":authority", request_.authority);
  if (!request_.is_connect() || is_extended_connect()) encoder.add(":path", request_.path);
  if (is_extended_connect()) encoder.add(":protocol", request_.protocol);
  encoder.add(request_.fields);
  const std::string priority = format_priority(request_.priority);
  if (!priority.empty() && !request_.fields.contains("priority")) encoder.add("priority", priority);
  const std::size_t size = append_section(encoder, queued_bytes() > 0 ? data_head_room : 0);
  if (h3_.recorder() != nullptr) h3_.trace_request(trace::Direction::sent, id_, size, request_);
  schedule();
}

void H3Exchange::submit_head(const Response& head, bool end) {
  const auto digits = status_digits(head.status);
  QpackEncoder& encoder = QpackEncoder::shared();
  encoder.begin();
  encoder.add(":status", {digits.data(), digits.size()});
  encoder.add(head.fields);
  const std::size_t size = append_section(encoder, end ? 0 : data_head_room);
  if (is_ending()) {
    // The peer takes no response: its doing, as a malformed request is.
    if (!h3_.spend()) h3_.close_for_abuse();
    return;
  }
  if (h3_.recorder() != nullptr) h3_.trace_response(trace::Direction::sent, id_, size, head);
  schedule();
}

std::size_t H3Exchange::append_section(QpackEncoder& encoder, std::size_t spare) {
  const H3Settings* const peer = h3_.peer_settings();
  if (peer != nullptr && encoder.section_size() > peer->max_field_section_size) {
    fail(ResetCode::internal_error,
         {ErrorKind::too_large, "the field section exceeds the peer's SETTINGS_MAX_FIELD_SECTION_SIZE"});
    return 0;
  }
  const Bytes section = encoder.encoded();
  std::array<std::uint8_t, max_frame_head> head;
  const std::size_t head_size = put_frame_head(head, H3Frame::headers, section.size());
  out_.append(Bytes(head).first(head_size), section.size() + spare);
  out_.append(section, spare);
  return section.size();
}

void H3Exchange::append_trailers() {
  trailers_sent_ = true;
  QpackEncoder& encoder = QpackEncoder::shared();
  encoder.begin();
  encoder.add(trailers());
  const std::size_t size = append_section(encoder, 0);
  if (h3_.recorder() != nullptr) h3_.trace_fields(trace::Direction::sent, id_, size, trailers());
}

// Bodies

void H3Exchange::append_data() {
  const std::size_t size = std::min(queue().size(), max_data_frame);
  std::array<std::uint8_t, max_frame_head> head;
  out_.append(Bytes(head).first(put_frame_head(head, H3Frame::data, size)));
  for (std::size_t left = size; left > 0;) {
    Chunk chunk = queue().pop(left);
    left -= chunk.size();
    out_.push(std::move(chunk));
  }
  h3_.trace_frame(trace::Direction::sent, id_, static_cast<std::uint64_t>(H3Frame::data), size);
  sent_body(size);
}

void H3Exchange::submit_body() {
  schedule();
}

void H3Exchange::schedule() {
  if (!open_ || flow_blocked_ || fin_sent_ || is_ending()) return;
  h3_.scheduler().add(*this);
  h3_.want_write();
}

bool H3Exchange::offer(std::span<::iovec> pieces, std::size_t& count, bool& fin) {
  while (!is_ending() && !queue().empty() && out_.unsent_bytes() < refill_below) append_data();
  if (is_ending()) return false;
  if (queue().empty() && end_queued() && !trailers().empty() && !trailers_sent_) append_trailers();
  if (is_ending()) return false;
  offered_ = out_.unsent(pieces, count);
  fin_offered_ = offered_ == out_.unsent_bytes() && queue().empty() && end_queued();
  fin = fin_offered_;
  return offered_ > 0 || fin;
}

void H3Exchange::on_written(std::size_t bytes) {
  if (is_ending()) return;
  touch_sent();
  out_.sent(bytes);
  if (fin_offered_ && bytes == offered_) {
    fin_sent_ = true;
    h3_.scheduler().remove(*this);
    sent_end();
  } else {
    h3_.scheduler().rotate(*this);
  }
}

void H3Exchange::on_blocked() {
  flow_blocked_ = true;
  touch();  // it had its turn
  h3_.scheduler().remove(*this);
}

void H3Exchange::on_unblocked() {
  flow_blocked_ = false;
  if (out_.has_unsent() || queued_bytes() > 0 || end_queued()) schedule();
}

void H3Exchange::on_shut() {
  fin_sent_ = true;
  out_.clear();
  h3_.scheduler().remove(*this);
}

// Ends

void H3Exchange::submit_reset(ResetCode code) {
  h3_.scheduler().remove(*this);
  out_.clear();
  if (!open_) return;
  // A request that ended before it was all there has a code of its own (RFC 9114 §4.1).
  const bool incomplete =
      is_server() && !request_seen_ && code == ResetCode::message_error && frame_.at_boundary();
  const H3Code h3_code = incomplete ? H3Code::request_incomplete : to_h3(code);
  h3_.quic()->reset_stream(id_, static_cast<std::uint64_t>(h3_code));
  if (!receive_done()) {
    h3_.quic()->stop_sending(id_, static_cast<std::uint64_t>(h3_code));
    abandon_reading();
  }
  // Making us reset streams is as cheap for a peer as resetting them itself
  // (docs/threat-model.md, "Rapid Reset").
  const bool by_peer = code == ResetCode::message_error || code == ResetCode::datagram_error;
  if (is_server() && by_peer && !h3_.spend()) h3_.close_for_abuse();
}

void H3Exchange::submit_stop(ResetCode code) {
  if (!open_) return;
  h3_.quic()->stop_sending(id_, static_cast<std::uint64_t>(to_h3(code)));
  abandon_reading();
}

void H3Exchange::on_stop_sending(std::uint64_t code) {
  on_shut();
  received_stop(code == static_cast<std::uint64_t>(H3Code::no_error),
                h3_stream_error("the peer stopped reading", code));
}

void H3Exchange::on_stream_closed(const Error* why) {
  open_ = false;
  h3_.scheduler().remove(*this);
  transport_closed(why);
}

void H3Exchange::submit_credit(std::size_t bytes) {
  h3_.quic()->consume(id_, bytes);
}

void H3Exchange::submit_limit() {
  if (open_ && receive_limit() != no_receive_limit) h3_.quic()->lower_receive_limit(id_, receive_limit());
}

// Datagrams

void H3Exchange::tunnel_opened() {
  // Tunnels have no end that others could wait for.
  h3_.scheduler().set_priority(*this, in_turns(priority()));
  h3_.release_early_datagrams(id_);
}

void H3Exchange::use_capsules() {
  ExchangeBase::use_capsules();
  if (takes_datagrams()) h3_.release_early_datagrams(id_);
}

void H3Exchange::refuse_datagram() {
  if (is_ending() || (receive_done() && send_done())) return;
  fail(ResetCode::datagram_error,
       {ErrorKind::protocol, "HTTP Datagram for a request that does not use them"});
}

bool H3Exchange::send_datagram(Bytes prefix, Bytes payload) {
  if (is_ending() || end_queued() || (is_server() && !is_tunnel())) return false;
  ConnectionCounters& counters = h3_.exchanges().counters;
  const auto frames = h3_.takes_datagrams();
  if (!open_ || !frames) {
    if (waiting_datagrams_.size() >= h3_.limits().early_datagrams) {
      ++counters.datagrams_dropped_queue;
      frame_refused_ = true;
      return false;
    }
    Chunk datagram = Chunk::allocate(prefix.size() + payload.size());
    copy_bytes(payload, copy_bytes(prefix, datagram.mutable_bytes().data()));
    waiting_datagrams_.push_back(std::move(datagram));
    return true;
  }
  if (!*frames) return ExchangeBase::send_datagram(prefix, payload);

  // QUIC is asked all the same: its path may carry more than it thought.
  const bool too_large = prefix.size() + payload.size() > max_datagram_payload();
  // The quarter stream ID and a context ID, in nearly every case.
  std::array<std::uint8_t, 32> head;
  std::size_t head_size = put_varint(head, static_cast<std::uint64_t>(id_) / 4);
  const auto send = [&] {
    if (prefix.size() <= head.size() - head_size) {
      copy_bytes(prefix, head.data() + head_size);
      head_size += prefix.size();
      return h3_.quic()->send_datagram(Bytes(head).first(head_size), payload, id_, when_full_);
    }
    std::vector<std::uint8_t> whole(head.begin(), head.begin() + static_cast<std::ptrdiff_t>(head_size));
    whole.insert(whole.end(), prefix.begin(), prefix.end());
    return h3_.quic()->send_datagram(whole, payload, id_, when_full_);
  };
  if (!send()) {
    ++(too_large ? counters.datagrams_dropped_size : counters.datagrams_dropped_queue);
    frame_refused_ = frame_refused_ || !too_large;
    return false;
  }
  ++counters.datagrams_out;
  note_datagram_sent(payload.size());
  if (h3_.recorder() != nullptr)
    h3_.trace_capsule(trace::Direction::sent, {.stream_id = id_,
                                               .type = capsule_datagram,
                                               .length = prefix.size() + payload.size(),
                                               .as_datagram_frame = true});
  return true;
}

void H3Exchange::dropped_padding() {
  if (h3_.quic() != nullptr) h3_.quic()->discount_datagram();
}

std::size_t H3Exchange::max_datagram_payload() const {
  if (!h3_.takes_datagrams().value_or(true)) return ExchangeBase::max_datagram_payload();
  const std::size_t payload = h3_.quic()->max_datagram_payload();
  // Before the stream is open its ID is not known, but will hardly take more than two bytes.
  const std::size_t id_size = id_ >= 0 ? varint_size(static_cast<std::uint64_t>(id_) / 4) : 2;
  return payload > id_size ? payload - id_size : 0;
}

std::size_t H3Exchange::queued_datagram_bytes() const {
  return datagrams_unreliable() ? h3_.quic()->queued_datagram_bytes() : ExchangeBase::queued_datagram_bytes();
}

bool H3Exchange::datagrams_unreliable() const {
  return h3_.takes_datagrams().value_or(true);
}

void H3Exchange::capsule_seen(bool sent, std::uint64_t type, std::size_t length) {
  if (h3_.recorder() == nullptr) return;
  h3_.trace_capsule(sent ? trace::Direction::sent : trace::Direction::received,
                    {.stream_id = id_, .type = type, .length = length, .as_datagram_frame = false});
}

}  // namespace sallyport::http
