// DatagramQueue: DATAGRAM payloads that wait for congestion control. One queue for each flow, that is each
// request stream with datagrams (RFC 9297 §2.1), served in turn by bytes (deficit round robin, flows that
// begin first), each bounded in time by CoDel and a limit (RFC 8290, RFC 8289), all together in bytes. What
// is dropped is dropped at the head. Stored in pooled blocks that are returned once sent: an idle connection
// holds none. Owned by a Connection; asked for each datagram, so nothing is allocated for one.
#pragma once

#include "base/bytes.h"
#include "base/chunk.h"
#include "quic/flow_table.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace sallyport::quic {

/// Hears of datagrams that were taken and are dropped.
class DatagramDropListener {
 public:
  /// Called from inside push() and front(): it may count, and nothing else.
  virtual void on_datagram_dropped(StreamId flow, DatagramDrop why) = 0;

 protected:
  ~DatagramDropListener() = default;
};

class DatagramQueue {
 public:
  /// The largest payload that push() takes.
  static constexpr std::size_t max_payload = Chunk::pooled_size - sizeof(DatagramRecord);

  /// `dropped` is not owned and must outlive the queue.
  DatagramQueue(const DatagramQueueOptions& options, DatagramDropListener& dropped)
      : options_(options), dropped_(dropped) {}

  /// Copies `prefix` then `payload` as one datagram of `flow`, of at most max_payload bytes. False when it is
  /// refused; unless it is longer than that, take_writable() will name the flow.
  bool push(StreamId flow, WhenFull when_full, Bytes prefix, Bytes payload, Time now);
  bool empty() const { return count_ == 0; }
  std::size_t count() const { return count_; }
  /// Bytes of payload waiting.
  std::size_t bytes() const { return bytes_; }
  /// Bytes of memory held for them.
  std::size_t held_bytes() const { return held_blocks_ * Chunk::pooled_size; }
  /// For how long the oldest datagram of the flow that is served next has waited; 0 when empty().
  Duration sojourn(Time now) const;

  /// The next datagram that is to leave; valid until the next call that is not const. Drops what has waited
  /// for too long, so there may be none afterwards although there were some.
  std::optional<Bytes> front(Time now);
  /// What front() said has left. Only after front(), and nothing else in between.
  void pop();
  /// Of the connection's path, without queues on the way. The limit on the sojourn and CoDel's interval are
  /// not shorter: what a window holds leaves within a round trip, and no sender hears of a drop earlier.
  void set_round_trip(Duration round_trip) { round_trip_ = round_trip; }
  void clear();
  /// Gives back what is kept of an empty queue for the next datagram. For connections that rest.
  void release();

  /// How many flows were refused and not yet named by take_writable().
  std::size_t refused() const { return refused_count_; }
  /// A flow that was refused and has room again; each once. To be asked at most refused() times in a row.
  std::optional<StreamId> take_writable(Time now);
  /// `first` was named before all others, and found the most room: where it was refused again, and leads the
  /// list, it comes last the next time.
  void rotate_refused(StreamId first);

 private:
  using Index = FlowTable::Index;
  using Flow = FlowTable::Flow;
  static constexpr Index none = FlowTable::none;
  /// First in, first out.
  struct FlowList {
    Index first = none, last = none;
    bool empty() const { return first == none; }
  };
  struct Block {
    Chunk chunk;           // empty: free
    std::size_t end = 0;   // of its records
    std::size_t live = 0;  // records that are still queued
  };

  void append(FlowList& list, Index index);
  Index take_first(FlowList& list);
  /// Takes the flow that is served next, and has nothing to send, off its list.
  void leave(FlowList& list);
  void remove_if_unused(Index index);
  bool fits(const Flow& flow, std::size_t size) const { return flow.bytes + size + bytes_ <= options_.bytes; }
  bool make_room(Flow& flow, std::size_t size, Time now);
  bool refuse(Index index);
  DatagramRecord* store(std::size_t size);
  void drop_due(Flow& flow, Time now);
  void drop(Flow& flow, DatagramDrop why);
  void remove_head(Flow& flow);
  bool has_room(const Flow& flow, Time now) const;

  const DatagramQueueOptions& options_;
  DatagramDropListener& dropped_;
  FlowTable flows_;
  FlowList fresh_, served_;  // RFC 8290 §4: new and old flows
  FlowList refused_;
  std::size_t refused_count_ = 0;
  bool chosen_ = false;  // the first flow of the list that is served has a datagram that may leave
  Time chosen_at_{};
  std::size_t bytes_ = 0, count_ = 0;
  std::vector<Block> blocks_;  // few
  std::size_t filling_ = 0, held_blocks_ = 0;
  Duration round_trip_{};
};

}  // namespace sallyport::quic
